-- What a task needs and shows to nobody, such as the certificate that an image's signature is verified by. Null from
-- replicas that do not know it yet.
alter table tasks add column private json;

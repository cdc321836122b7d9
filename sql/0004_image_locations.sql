-- migrate: no transaction
-- Which image names an object: the search for orphans asks this of every object of a store. Of `locations` it keeps
-- hashes of what is in them, so URLs may be of any length. Built while the service runs.
create index concurrently images_by_location on images using gin (locations jsonb_path_ops);

"""python-glanceclient, the library below nova, cinder and Horizon."""

import io

import glanceclient
from glanceclient import exc

from tests.e2e.stories.sessions import logged_in
from tests.e2e.stories.telling import Cloud, Content, cloud, equal, refused, tell, wait_for

TYPE = {"disk_format": "raw", "container_format": "bare"}


class GlanceClient:
    """One image's life, and the pages of a list."""

    def __init__(self, cloud: Cloud) -> None:
        self._content = Content()
        self._mine, self._theirs, self._admins = (
            glanceclient.Client("2", session=logged_in(cloud, user), region_name=cloud.region)
            for user in ("demo", "alt", "admin")
        )
        self._alt = logged_in(cloud, "alt").get_project_id()
        self._batch: list[str] = []

    def creates_an_image_with_a_property_and_a_tag(self) -> None:
        image = self._mine.images.create(name="through the library", tags=["old"], colour="blue", **TYPE)
        self._id = image.id
        equal((image.status, image.colour, image.tags), ("queued", "blue", ["old"]))

    def uploads_in_chunks_of_unknown_length(self) -> None:
        self._mine.images.upload(self._id, io.BytesIO(self._content.bytes))
        image = self._mine.images.get(self._id)
        equal((image.status, image.size), ("active", len(self._content.bytes)))
        equal((image.checksum, image.os_hash_algo), (self._content.md5, "sha512"))
        equal(image.os_hash_value, self._content.sha512)

    def downloads_and_verifies_the_hash(self) -> None:
        equal(b"".join(self._mine.images.data(self._id, do_checksum=True)), self._content.bytes)

    def gives_nothing_for_an_image_without_data(self) -> None:
        empty = self._mine.images.create(name="without data", **TYPE)
        self._batch.append(empty.id)
        equal(self._mine.images.data(empty.id).wrapped, None)

    def refuses_a_second_upload(self) -> None:
        refused(exc.HTTPConflict, lambda: self._mine.images.upload(self._id, io.BytesIO(b"other")))

    def lists_in_pages_of_two_sorted_by_name(self) -> None:
        for number in range(7):
            self._batch.append(self._mine.images.create(name=f"page-{number}", batch="of seven").id)
        wishes = {"filters": {"batch": "of seven"}, "sort_key": ["name"], "sort_dir": ["desc"]}
        listed = [image.name for image in self._mine.images.list(page_size=2, **wishes)]
        equal(listed, [f"page-{number}" for number in (6, 5, 4, 3, 2, 1, 0)])

    def lists_no_more_than_a_limit(self) -> None:
        equal(len(list(self._mine.images.list(limit=3, filters={"batch": "of seven"}))), 3)

    def lists_by_tags_and_by_a_name_beyond_ascii(self) -> None:
        made = self._mine.images.create(name="naïve, or not", tags=["a b", "ü"])
        self._batch.append(made.id)
        listed = list(self._mine.images.list(filters={"name": "naïve, or not", "tag": ["a b", "ü"]}))
        equal([image.id for image in listed], [made.id])

    def changes_a_property_and_removes_another(self) -> None:
        image = self._mine.images.update(self._id, remove_props=["colour"], shade="dark")
        equal((image.shade, "colour" in image), ("dark", False))

    def changes_tags_one_by_one(self) -> None:
        self._mine.image_tags.update(self._id, "two words")
        self._mine.image_tags.delete(self._id, "old")
        equal(self._mine.images.get(self._id).tags, ["two words"])

    def shares_and_the_other_project_accepts(self) -> None:
        equal(self._mine.image_members.create(self._id, self._alt).status, "pending")
        equal(self._theirs.image_members.update(self._id, self._alt, "accepted").status, "accepted")
        wishes = {"visibility": "shared", "member_status": "accepted"}
        equal(self._id in [image.id for image in self._theirs.images.list(filters=wishes)], True)

    def takes_it_back(self) -> None:
        self._mine.image_members.delete(self._id, self._alt)
        refused(exc.HTTPNotFound, lambda: self._theirs.images.get(self._id))

    def deactivates_and_reactivates(self) -> None:
        self._admins.images.deactivate(self._id)
        refused(exc.HTTPForbidden, lambda: b"".join(self._mine.images.data(self._id)))
        self._admins.images.reactivate(self._id)
        equal(self._mine.images.get(self._id).status, "active")

    def reads_the_schemas(self) -> None:
        formats = self._mine.schemas.get("image").raw()["properties"]["disk_format"]["enum"]
        equal("qcow2" in formats, True)
        equal(self._mine.schemas.get("images").raw()["name"], "images")

    def asks_how_to_import_and_for_the_stores(self) -> None:
        methods = self._mine.images.get_import_info()["import-methods"]["value"]
        equal({"glance-direct", "web-download"} <= set(methods), True)
        equal(len(self._mine.images.get_stores_info()["stores"]) > 0, True)

    def stages_imports_and_reads_the_task(self) -> None:
        image = self._mine.images.create(name="staged", **TYPE)
        self._batch.append(image.id)
        self._mine.images.stage(image.id, io.BytesIO(self._content.bytes))
        self._mine.images.image_import(image.id, "glance-direct")
        image = wait_for(lambda: self._mine.images.get(image.id), lambda image: image.status == "active")
        equal(image.checksum, self._content.md5)
        (task,) = wait_for(
            lambda: self._mine.images.get_associated_image_tasks(image.id)["tasks"],
            lambda tasks: tasks[0]["status"] != "processing",
        )
        equal(task["status"], "success")

    def reads_the_metadata_definitions(self) -> None:
        equal([each.namespace for each in self._mine.metadefs_namespace.list()][:0], [])
        equal([each.name for each in self._mine.metadefs_resource_type.list()][:0], [])

    def deletes_all(self) -> None:
        for image_id in (self._id, *self._batch):
            self._mine.images.delete(image_id)
        refused(exc.HTTPNotFound, lambda: self._mine.images.get(self._id))


if __name__ == "__main__":
    tell(GlanceClient(cloud()))

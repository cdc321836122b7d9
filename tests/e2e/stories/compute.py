"""nova's image module, as its API and its compute nodes use it."""

import io
from pathlib import Path

import nova.conf
from nova import context, exception
from nova.image import glance

from tests.e2e.stories.sessions import catalog, configuration, logged_in
from tests.e2e.stories.telling import Cloud, Content, cloud, equal, refused, tell, write


class Compute:
    """A snapshot with data, one without, and what becomes of them."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._content = Content()
        self._file = write(cloud.folder, "nova.raw", self._content)
        nova.conf.CONF(
            [], project="nova", default_config_files=[configuration(cloud, ("service_user", "glance"))], version="e2e"
        )
        self._images = glance.API()
        self._demo, self._admin = self._speaking_for("demo"), self._speaking_for("admin")
        self._alt = logged_in(cloud, "alt").get_project_id()

    def uploads_a_snapshot(self) -> None:
        properties = {"image_type": "snapshot", "instance_uuid": "6a4b8f0e-0d4c-4a43-a2d8-7b2f3b0c9a51"}
        wanted = {"name": "snapshot", "disk_format": "raw", "container_format": "bare", "properties": properties}
        with self._file.open("rb") as data:
            image = self._images.create(self._demo, wanted, data=data)
        self._id = image["id"]
        equal((image["status"], image["size"]), ("active", len(self._content.bytes)))
        equal(image["properties"]["image_type"], "snapshot")

    def finds_it_by_a_property_and_the_time_of_change(self) -> None:
        filters = {"property-image_type": "snapshot", "changes-since": "2020-01-01T00:00:00Z"}
        equal(self._id in [image["id"] for image in self._images.get_all(self._demo, filters=filters)], True)

    def shows_where_its_data_is(self) -> None:
        shown = self._images.get(self._admin, self._id, include_locations=True)
        equal(len(shown["locations"]) > 0, True)

    def downloads_it_to_a_file_and_verifies_it(self) -> None:
        path = Path(self._cloud.folder) / "nova.downloaded"
        self._images.download(self._demo, self._id, dest_path=str(path))
        equal(path.read_bytes(), self._content.bytes)

    def downloads_it_as_a_stream(self) -> None:
        equal(b"".join(self._images.download(self._demo, self._id)), self._content.bytes)

    def activates_a_snapshot_of_volumes_with_no_bytes(self) -> None:
        mapping = '[{"boot_index": 0, "snapshot_id": "' + "9" * 300 + '"}]'
        wanted = {"name": "volumes", "size": 0, "properties": {"block_device_mapping": mapping, "bdm_v2": "True"}}
        self._empty = self._images.create(self._demo, wanted)["id"]
        image = self._images.get(self._demo, self._empty)
        equal((image["status"], image["size"], image["disk_format"]), ("active", 0, "raw"))
        equal(image["properties"]["block_device_mapping"][0]["boot_index"], 0)

    def asks_for_a_format_that_is_there(self) -> None:
        image = self._images.create(self._demo, {"name": "no format"})
        equal((image["disk_format"], image["status"]), (None, "queued"))
        self._images.delete(self._demo, image["id"])

    def replaces_all_properties(self) -> None:
        image = self._images.update(self._demo, self._id, {"properties": {"kept": "yes"}}, purge_props=True)
        equal(image["properties"], {"kept": "yes"})

    def uploads_to_an_image_that_was_only_registered(self) -> None:
        wanted = {"name": "later", "disk_format": "raw", "container_format": "bare"}
        self._later = self._images.create(self._demo, wanted)["id"]
        image = self._images.update(self._demo, self._later, {}, data=io.BytesIO(b"later" * 1000))
        equal((image["status"], image["size"]), ("active", 5000))

    def shares_a_snapshot_with_the_owner_of_the_instance(self) -> None:
        wanted = {"name": "by admin", "disk_format": "raw", "container_format": "bare"}
        made = self._images.create(self._admin, wanted | {"properties": {"instance_owner": self._alt}})
        shown = self._images.get(self._speaking_for("alt"), made["id"])
        equal(shown["name"], "by admin")
        self._images.delete(self._admin, made["id"])

    def deletes_all(self) -> None:
        for image_id in (self._id, self._empty, self._later):
            self._images.delete(self._demo, image_id)
        refused(exception.ImageNotFound, lambda: self._images.get(self._demo, self._id))

    def _speaking_for(self, user: str) -> context.RequestContext:
        session = logged_in(self._cloud, user)
        return context.RequestContext(
            user_id=session.get_user_id(),
            project_id=session.get_project_id(),
            auth_token=session.get_token(),
            service_catalog=catalog(session),
            roles=["admin"] if user == "admin" else ["member", "reader"],
        )


if __name__ == "__main__":
    tell(Compute(cloud()))

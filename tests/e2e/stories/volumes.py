"""cinder's image module, as its volume service uses it."""

import io

from cinder import context, exception
from cinder.common import config  # noqa: F401 - registers the options that the image module reads
from cinder.image import image_utils
from oslo_config import cfg

from tests.e2e.stories.sessions import catalog, configuration, logged_in
from tests.e2e.stories.telling import Cloud, Content, cloud, equal, refused, tell

WANTED = {"name": "from a volume", "disk_format": "raw", "container_format": "bare"}


class Volumes:
    """A volume becomes an image, the image a volume, and what is asked besides."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._content = Content()
        files = [configuration(cloud, ("service_user", "glance"), auth_strategy="keystone")]
        cfg.CONF([], project="cinder", default_config_files=files, version="e2e")
        # Each of the two modules imports the other, which works only from this end.
        self._images = image_utils.glance.GlanceImageService()
        self._demo = self._speaking_for("demo")
        self._alt = logged_in(cloud, "alt").get_project_id()

    def registers_an_image_and_uploads_the_volume(self) -> None:
        properties = {"signature_verified": "False", "volume": "6a4b8f0e"}
        self._id = self._images.create(self._demo, WANTED | {"properties": properties})["id"]
        data = io.BytesIO(self._content.bytes)
        image = self._images.update(self._demo, self._id, {}, data, purge_props=False, base_image_ref="6a4b8f0e")
        equal((image["status"], image["size"]), ("active", len(self._content.bytes)))

    def shows_it_with_its_properties_apart(self) -> None:
        image = self._images.show(self._demo, self._id)
        equal((image["checksum"], image["properties"]["volume"]), (self._content.md5, "6a4b8f0e"))

    def lists_it(self) -> None:
        equal(
            self._id in [image["id"] for image in self._images.detail(self._demo, filters={"volume": "6a4b8f0e"})], True
        )

    def downloads_it_into_a_file(self) -> None:
        written = io.BytesIO()
        self._images.download(self._demo, self._id, written)
        equal(written.getvalue(), self._content.bytes)

    def asks_as_a_service_where_its_data_is(self) -> None:
        _, locations = self._images.get_location(self._demo, self._id)
        equal(all(location["url"] for location in locations), True)
        equal(len(locations), 1)

    def adds_a_location(self) -> None:
        made = self._images.create(self._demo, WANTED)["id"]
        self._images.add_location(self._demo, made, f"{self._cloud.files_url}/image.raw", {})
        self._images.delete(self._demo, made)

    def uploads_to_a_store_by_name(self) -> None:
        stores = self._images.get_stores(self._demo)["stores"]
        store = next(store["id"] for store in stores if store.get("read-only") != "true")
        made = self._images.create(self._demo, WANTED)["id"]
        data = io.BytesIO(b"small" * 1000)
        self._images.update(self._demo, made, {}, data, purge_props=False, store_id=store)
        equal(self._images.show(self._demo, made)["status"], "active")
        self._images.delete(self._demo, made)

    def lists_the_members(self) -> None:
        equal(list(self._images.list_members(self._demo, self._id)), [])

    def replaces_all_properties(self) -> None:
        image = self._images.update(self._demo, self._id, {"properties": {"kept": "yes"}})
        equal(image["properties"], {"kept": "yes"})

    def deletes_it(self) -> None:
        self._images.delete(self._demo, self._id)
        refused(exception.ImageNotFound, lambda: self._images.show(self._demo, self._id))

    def _speaking_for(self, user: str) -> context.RequestContext:
        session = logged_in(self._cloud, user)
        return context.RequestContext(
            user_id=session.get_user_id(),
            project_id=session.get_project_id(),
            auth_token=session.get_token(),
            service_catalog=catalog(session),
            roles=["member", "reader"],
        )


if __name__ == "__main__":
    tell(Volumes(cloud()))

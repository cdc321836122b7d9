"""openstacksdk, as Ansible's modules and Ironic use it."""

from pathlib import Path
from typing import Any

from openstack.connection import Connection

from tests.e2e.stories.sessions import logged_in
from tests.e2e.stories.telling import Cloud, Content, cloud, equal, tell, wait_for, write

TYPE = {"disk_format": "raw", "container_format": "bare"}


class Sdk:
    """One image's life."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._content = Content()
        self._file = write(cloud.folder, "sdk.raw", self._content)
        self._mine, self._theirs, self._admins = (
            Connection(session=logged_in(cloud, user), region_name=cloud.region) for user in ("demo", "alt", "admin")
        )
        self._alt = logged_in(cloud, "alt").get_project_id()

    def creates_an_image_from_a_file(self) -> None:
        self._id = self._created(tags=["old"], meta={"colour": "red"}).id

    def reads_what_was_uploaded(self) -> None:
        image = self._mine.image.get_image(self._id)
        equal((image.status, image.size, image.properties["colour"]), ("active", len(self._content.bytes), "red"))
        equal((image.checksum, image.hash_value), (self._content.md5, self._content.sha512))

    def does_not_upload_the_same_file_again(self) -> None:
        equal(self._created().id, self._id)

    def finds_it_by_its_name(self) -> None:
        equal(self._mine.image.find_image("by the sdk").id, self._id)
        equal(self._mine.image.find_image("no such image"), None)

    def lists_page_by_page(self) -> None:
        other = self._mine.image.create_image("by the sdk too", allow_duplicates=True, **TYPE)
        listed = [image.id for image in self._mine.image.images(limit=1, owner=other.owner)]
        equal({self._id, other.id} <= set(listed), True)
        self._mine.image.delete_image(other)

    def changes_the_name_and_a_property(self) -> None:
        image = self._mine.image.update_image(self._id, name="renamed", colour="green")
        equal((image.name, image.properties["colour"]), ("renamed", "green"))

    def changes_tags(self) -> None:
        self._mine.image.add_tag(self._id, "new")
        self._mine.image.remove_tag(self._id, "old")
        equal(self._mine.image.get_image(self._id).tags, ["new"])

    def shares_and_the_other_project_accepts(self) -> None:
        equal(self._mine.image.add_member(self._id, member_id=self._alt).status, "pending")
        equal(self._theirs.image.update_member(self._alt, self._id, status="accepted").status, "accepted")
        equal([member.member_id for member in self._mine.image.members(self._id)], [self._alt])
        equal(self._theirs.image.get_image(self._id).name, "renamed")

    def takes_it_back(self) -> None:
        self._mine.image.remove_member(self._alt, self._id)
        equal(self._theirs.image.find_image(self._id), None)

    def deactivates_and_reactivates(self) -> None:
        self._admins.image.deactivate_image(self._id)
        equal(self._mine.image.get_image(self._id).status, "deactivated")
        self._admins.image.reactivate_image(self._id)
        equal(self._mine.image.get_image(self._id).status, "active")

    def downloads_in_a_stream(self) -> None:
        path = Path(self._cloud.folder) / "streamed"
        self._mine.image.download_image(self._id, output=str(path), stream=True)
        equal(path.read_bytes(), self._content.bytes)

    def imports_from_a_web_server(self) -> None:
        image = self._mine.image.create_image("fetched by the sdk", **TYPE)
        self._mine.image.import_image(image, method="web-download", uri=f"{self._cloud.files_url}/image.raw")
        wait_for(lambda: self._mine.image.get_image(image.id).status, lambda status: status == "active")
        self._mine.image.delete_image(image.id)

    def lists_stores_and_metadata_definitions(self) -> None:
        equal(len(list(self._mine.image.stores())) > 0, True)
        equal(list(self._mine.image.metadef_namespaces())[:0], [])

    def deletes_it(self) -> None:
        self._mine.image.delete_image(self._id)
        equal(self._mine.image.find_image(self._id), None)

    def _created(self, **wishes: Any) -> Any:
        wishes |= {"filename": str(self._file), "validate_checksum": True, "wait": True, "timeout": 60}
        return self._mine.create_image("by the sdk", **TYPE, **wishes)


if __name__ == "__main__":
    tell(Sdk(cloud()))

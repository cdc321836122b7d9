"""The `openstack` command line, as people type it; every step starts it anew."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.stories.telling import Cloud, Content, cloud, equal, tell, wait_for, write

OPENSTACK = Path(sys.executable).with_name("openstack")
TYPE = ("--disk-format", "raw", "--container-format", "bare")


class Refused(Exception):
    """The command ended with an error; the text is what it printed."""


class CommandLine:
    """One image's life, from a file to its end, with five others beside it to be listed."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._content = Content()
        self._file = write(cloud.folder, "command.raw", self._content)

    def creates_an_image_from_a_file_with_properties_and_tags(self) -> None:
        properties = ("hw_disk_bus=scsi", "os_distro=debian", "label=crème brûlée / two")
        options = [f"--property={each}" for each in properties] + ["--tag", "old", "--tag", "base"]
        sizes = ("--min-disk", "1", "--min-ram", "64")
        self._id = self._json("image", "create", "first", "--file", str(self._file), *TYPE, *options, *sizes)["id"]

    def shows_what_was_uploaded(self) -> None:
        image = self._image()
        equal((image["status"], image["size"], image["visibility"]), ("active", len(self._content.bytes), "shared"))
        equal((image["checksum"], image["properties"]["os_hash_value"]), (self._content.md5, self._content.sha512))
        equal((image["min_disk"], image["min_ram"], sorted(image["tags"])), (1, 64, ["base", "old"]))
        equal(image["properties"]["label"], "crème brûlée / two")

    def shows_it_by_its_name(self) -> None:
        equal(self._json("image", "show", "first")["id"], self._id)

    def creates_five_more_without_data(self) -> None:
        self._more = {}
        for number in range(5):
            options = ("--property", f"number={number}", "--property", "batch=of five")
            made = self._json("image", "create", f"more-{number}", "--disk-format", "qcow2", *options)
            self._more[made["name"]] = made["id"]

    def lists_by_a_property_sorted_by_name(self) -> None:
        listed = self._names("--property", "batch=of five", "--sort", "name:desc")
        equal(listed, [f"more-{number}" for number in (4, 3, 2, 1, 0)])

    def lists_a_page_after_a_marker(self) -> None:
        # The command sorts what it gets; which images those are is the server's order, newest first.
        listed = self._names("--property", "batch=of five", "--limit", "2", "--marker", self._more["more-3"])
        equal(sorted(listed), ["more-1", "more-2"])

    def lists_by_name(self) -> None:
        equal(self._names("--name", "first"), ["first"])

    def lists_by_status_and_two_properties(self) -> None:
        options = ("--status", "queued", "--property", "batch=of five", "--property", "number=3")
        equal(self._names(*options), ["more-3"])

    def lists_by_two_tags(self) -> None:
        equal(self._names("--tag", "old", "--tag", "base"), ["first"])

    def lists_with_all_columns(self) -> None:
        rows = {row["ID"]: row for row in self._json("image", "list", "--long")}
        equal(rows[self._id]["Checksum"], self._content.md5)

    def sets_properties_a_tag_and_the_name(self) -> None:
        options = ("--property", "os_distro=devuan", "--property", "added=yes", "--tag", "new", "--name", "renamed")
        self._openstack("image", "set", self._id, *options)
        image = self._image()
        equal((image["name"], sorted(image["tags"])), ("renamed", ["base", "new", "old"]))
        equal((image["properties"]["os_distro"], image["properties"]["added"]), ("devuan", "yes"))

    def unsets_a_property_and_a_tag(self) -> None:
        self._openstack("image", "unset", self._id, "--property", "added", "--tag", "old")
        image = self._image()
        equal(("added" in image["properties"], sorted(image["tags"])), (False, ["base", "new"]))

    def keeps_a_protected_image_from_deletion(self) -> None:
        self._openstack("image", "set", self._id, "--protected")
        self._refused("image", "delete", self._id)
        self._openstack("image", "set", self._id, "--unprotected")

    def hides_it_from_another_project(self) -> None:
        self._refused("image", "show", self._id, user="alt")

    def shares_it_with_another_project(self) -> None:
        self._alt = self._json("project", "show", "alt", user="admin")["id"]
        self._openstack("image", "add", "project", self._id, self._alt)
        (member,) = self._json("image", "member", "list", self._id)
        equal((member["Member ID"], member["Status"]), (self._alt, "pending"))

    def accepts_it_there(self) -> None:
        self._openstack("image", "set", self._id, "--accept", user="alt")
        equal("renamed" in self._names("--shared", user="alt"), True)

    def downloads_it_there(self) -> None:
        equal(self._saved(user="alt"), self._content.bytes)

    def takes_it_back(self) -> None:
        self._openstack("image", "remove", "project", self._id, self._alt)
        self._refused("image", "show", self._id, user="alt")

    def lets_a_reader_read_but_not_write(self) -> None:
        equal(self._json("image", "show", self._id, user="reader")["id"], self._id)
        self._refused("image", "set", self._id, "--property", "written=yes", user="reader")

    def shows_a_community_image_to_everybody(self) -> None:
        self._openstack("image", "set", self._id, "--community")
        equal(self._json("image", "show", self._id, user="alt")["visibility"], "community")

    def lets_only_the_administrator_publish(self) -> None:
        self._refused("image", "set", self._id, "--public")
        self._openstack("image", "set", self._id, "--public", user="admin")
        equal(self._image()["visibility"], "public")
        self._openstack("image", "set", self._id, "--private", user="admin")

    def refuses_the_data_of_a_deactivated_image(self) -> None:
        self._openstack("image", "set", self._id, "--deactivate", user="admin")
        self._refused("image", "save", self._id, "--file", f"{self._cloud.folder}/refused")
        self._openstack("image", "set", self._id, "--activate", user="admin")

    def downloads_what_was_uploaded(self) -> None:
        equal(self._saved(), self._content.bytes)

    def imports_a_staged_file(self) -> None:
        self._openstack("image", "create", "staged", "--import", "--file", str(self._file), *TYPE)
        image = wait_for(lambda: self._json("image", "show", "staged"), lambda image: image["status"] == "active")
        equal(image["checksum"], self._content.md5)

    def imports_from_a_web_server(self) -> None:
        self._openstack("image", "create", "fetched", *TYPE)
        url = f"{self._cloud.files_url}/image.raw"
        self._openstack("image", "import", "fetched", "--method", "web-download", "--uri", url)
        wait_for(lambda: self._json("image", "show", "fetched"), lambda image: image["status"] == "active")

    def tells_how_to_import_and_where_data_is_kept(self) -> None:
        equal("glance-direct" in self._openstack("image", "import", "info"), True)
        equal(len(self._json("image", "stores", "list")) > 0, True)

    def lists_what_is_defined_of_properties(self) -> None:
        self._json("image", "metadef", "namespace", "list")

    def lists_what_is_cached(self) -> None:
        self._json("cached", "image", "list", user="admin")

    def deletes_all(self) -> None:
        self._openstack("image", "delete", self._id, *self._more.values(), "staged", "fetched")
        self._refused("image", "show", self._id)

    def _openstack(self, *arguments: str, user: str = "demo") -> str:
        project = {"reader": "demo"}.get(user, user)
        names = {"USERNAME": user, "PROJECT_NAME": project, "PASSWORD": self._cloud.password}
        place = {"AUTH_URL": self._cloud.auth_url, "REGION_NAME": self._cloud.region, "IDENTITY_API_VERSION": "3"}
        domains = {"USER_DOMAIN_NAME": "Default", "PROJECT_DOMAIN_NAME": "Default"}
        environ = {f"OS_{name}": value for name, value in (names | place | domains).items()}
        # `image create` takes its input for data unless that is a terminal.
        ours, theirs = pty.openpty()
        try:
            done = subprocess.run(
                [OPENSTACK, *arguments],
                env=os.environ | environ,
                stdin=theirs,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            os.close(ours)
            os.close(theirs)
        if done.returncode:
            raise Refused(f"openstack {' '.join(arguments)}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def _json(self, *arguments: str, user: str = "demo") -> Any:
        return json.loads(self._openstack(*arguments, "-f", "json", user=user))

    def _image(self) -> Any:
        return self._json("image", "show", self._id)

    def _names(self, *options: str, user: str = "demo") -> list[str]:
        return [row["Name"] for row in self._json("image", "list", *options, user=user)]

    def _saved(self, user: str = "demo") -> bytes:
        path = Path(self._cloud.folder) / f"saved-by-{user}"
        self._openstack("image", "save", self._id, "--file", str(path), user=user)
        return path.read_bytes()

    def _refused(self, *arguments: str, user: str = "demo") -> None:
        try:
            self._openstack(*arguments, user=user)
        except Refused:
            return
        raise AssertionError(f"openstack {' '.join(arguments)} was allowed")


if __name__ == "__main__":
    tell(CommandLine(cloud()))

"""What an import was asked to do, as its task keeps it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from drivers.records import Status
from drivers.tasks import Task
from service.placing import Validation, read_validation


class Method(NamedTuple):
    """A way to import: the status an image has to be in, and the one it is in when its import has failed."""

    needs: Status
    failed: Status


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        # Glance leaves such an image importing, to be deleted only, and clients' tests rely on it (section 2.3.2).
        "glance-direct": Method(needs="uploading", failed="importing"),
        "web-download": Method(needs="queued", failed="queued"),
        "glance-download": Method(needs="queued", failed="queued"),
        "copy-image": Method(needs="active", failed="active"),
    }
)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """An import: by which method, into which stores in which order, and whether one failure undoes all."""

    method: str
    options: dict[str, Any]
    stores: tuple[str, ...]
    all_must_succeed: bool = True

    @property
    def copies(self) -> bool:
        """Whether the image has its data already, and stays active all the while."""
        return self.method == "copy-image"

    def input(self, image_id: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Give what a task keeps, and shows, of it (reference section 2.10)."""
        return {"image_id": image_id, "import_req": request, "backend": list(self.stores)}


def plan_of(task: Task) -> Plan:
    """Read a plan back from its task."""
    request = task.input["import_req"]
    return Plan(
        method=request["method"]["name"],
        options=request["method"],
        stores=tuple(task.input["backend"]),
        all_must_succeed=request.get("all_stores_must_succeed", True),
    )


def expected_hash(options: Mapping[str, Any]) -> Validation | None:
    """Read the hash that data from a URL has to have, an addition to the API. Raises BadRequest for half of one."""
    told = {name: options[name] for name in ("os_hash_algo", "os_hash_value") if name in options}
    return read_validation(told or None)

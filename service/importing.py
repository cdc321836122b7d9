"""A request to import, checked in the order in which Glance does it (reference section 2.3)."""

from typing import Any, NamedTuple
from uuid import UUID

from drivers.records import Image
from service.caller import Caller
from service.data.stores import DataStore, Stores
from service.data.uris import check_uri
from service.image_names import RESERVED_PREFIX
from service.placing import is_digest
from service.refusals import BadRequest, Conflict
from service.settings import Settings
from service.work.plan import METHODS, Plan, expected_hash


class ImportRequest(NamedTuple):
    """What the body says; `stores` is None where it names none."""

    method: str
    options: dict[str, Any]
    stores: list[str] | None
    all_stores: bool
    all_must_succeed: bool


def read_import(body: dict[str, Any], settings: Settings) -> ImportRequest:
    """Read the body of an import. Raises BadRequest."""
    options = body.get("method")
    if not isinstance(options, dict) or not isinstance(options.get("name"), str):
        raise BadRequest("The body needs a 'method', an object with the 'name' of one.")
    name: str = options["name"]
    if name not in settings.enabled_import_methods:
        raise BadRequest(f"Unknown import method name '{name[:64]}': /v2/info/import lists those that are enabled.")
    for flag in ("all_stores", "all_stores_must_succeed"):
        if not isinstance(body.get(flag, False), bool):
            raise BadRequest(f"'{flag}' must be true or false.")
    stores = body.get("stores")
    if stores is not None and not _texts(stores):
        raise BadRequest("'stores' must be an array of the ids of stores, with one at least.")
    return ImportRequest(
        name, options, stores, body.get("all_stores", False), body.get("all_stores_must_succeed", True)
    )


def _texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def check_status(image: Image, method: str) -> None:
    """Raise Conflict unless the image is in the status that the method needs, and has both formats."""
    needed = METHODS[method].needs
    if image.status != needed:
        raise Conflict(f"The method {method} needs an image that is {needed}, and this one is {image.status}.")
    for name in ("container_format", "disk_format"):
        if getattr(image, name) is None:
            raise Conflict(f"'{name}' needs to be set before import")


def check_options(request: ImportRequest) -> None:
    """Raise BadRequest unless the method's own options are there."""
    options = request.options
    if request.method == "web-download":
        if not isinstance(options.get("uri"), str):
            raise BadRequest("The method web-download needs a 'uri', as text.")
        expected = expected_hash(options)
        if expected and not is_digest(*expected):
            raise BadRequest(f"'os_hash_value' is not the hexadecimal form of a {expected.algorithm} hash.")
    if request.method != "glance-download":
        return
    if not all(isinstance(options.get(name), str) for name in ("glance_image_id", "glance_region")):
        raise BadRequest("The method glance-download needs 'glance_region' and 'glance_image_id', as text.")
    try:
        UUID(options["glance_image_id"])
    except ValueError:
        raise BadRequest("Remote image id does not look like a UUID: it is 'glance_image_id'.") from None


def plan_import(request: ImportRequest, header: str | None, image: Image, stores: Stores) -> Plan | None:
    """Choose the stores; None where there is nothing left to copy. Raises BadRequest or Conflict."""
    targets = _targets(request, header, stores) if stores.multi else [stores.default]
    if request.method == "copy-image":
        held = {location.metadata.get("store") for location in image.locations}
        already = [store.id for store in targets if store.id in held]
        if already and not request.all_stores:
            raise BadRequest(f"Image is already present at store '{already[0]}'.")
        targets = [store for store in targets if store.id not in held]
        if not targets:
            return None
    if not request.all_must_succeed and not stores.multi:
        raise BadRequest("'all_stores_must_succeed' can only be false where there are several stores.")
    names = tuple(store.id for store in targets)
    return Plan(method=request.method, options=request.options, stores=names, all_must_succeed=request.all_must_succeed)


def _targets(request: ImportRequest, header: str | None, stores: Stores) -> list[DataStore]:
    named = request.stores is not None or header
    if request.all_stores and named:
        raise BadRequest("'all_stores' already means every store: leave out 'stores' and X-Image-Meta-Store.")
    if request.stores is not None and header:
        raise BadRequest("Name the stores in 'stores' or in X-Image-Meta-Store, not in both.")
    if request.all_stores:
        return [store for store in stores if not store.blobs.read_only]
    wanted = list(dict.fromkeys(request.stores or ([header] if header else [stores.default.id])))
    by_id = {store.id: store for store in stores if not store.blobs.read_only}
    for store_id in wanted:
        if store_id not in by_id:
            raise Conflict(f"'{store_id[:64]}' is no store that takes data here: /v2/info/stores lists them.")
    return [by_id[store_id] for store_id in wanted]


def injected(settings: Settings, caller: Caller, plan: Plan) -> dict[str, str]:
    """Give the properties that the operator puts on imported images (reference section 10.4)."""
    spared = not caller.roles.isdisjoint(role.lower() for role in settings.inject_ignore_user_roles)
    if spared or plan.copies or "inject_image_metadata" not in settings.image_import_plugins:
        return {}
    pairs = (pair.partition(":") for pair in settings.inject_metadata_properties)
    return {name: value for name, _, value in pairs if not name.startswith(RESERVED_PREFIX)}


async def read_old_import(body: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Read the body of a task of the old kind `import`; give its input. Raises BadRequest.

    Its URL has to pass the same checks as that of any import (OSSN-0105).
    """
    wanted: Any = body.get("input")
    if body.keys() != {"type", "input"} or body["type"] != "import" or not isinstance(wanted, dict):
        raise BadRequest("A task needs 'type', which can only be 'import', and 'input', an object; nothing else.")
    if not isinstance(wanted.get("import_from"), str) or not isinstance(wanted.get("image_properties", {}), dict):
        raise BadRequest("The input needs 'import_from', a URL; its 'image_properties' are an object.")
    if wanted["import_from"].lower().startswith(("file:", "filesystem:")):
        raise BadRequest("File based imports are not allowed: use a URL of http or https.")
    await check_uri(wanted["import_from"], settings)
    return wanted


def image_fields(wanted: dict[str, Any]) -> dict[str, Any]:
    """Give the fields of the image that such a task makes, as in the body of a create."""
    defaults = {"disk_format": wanted.get("import_from_format", "qcow2"), "container_format": "bare"}
    fields: dict[str, Any] = defaults | wanted.get("image_properties", {})
    return fields

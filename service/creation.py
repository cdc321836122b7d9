"""A new image from a request's body, checked in the order that clients of Glance can observe (section 2.1)."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from drivers.records import Image, View
from service import schemas
from service.caller import Caller
from service.editing import VISIBILITY_RULES, check_property_quota, field_value, property_value
from service.image_names import LINKS, READ_ONLY, SETTABLE, check_length, refuse_read_only, refuse_reserved
from service.policy.gates import require_collection
from service.policy.targets import ImageTarget
from service.refusals import BadRequest, Forbidden
from service.rules import Rules
from service.validation import ImageSchema

NIL = "00000000-0000-0000-0000-000000000000"
UUID = re.compile(schemas.UUID)


def check_body(body: dict[str, Any], schema: ImageSchema) -> None:
    """Refuse what depends on nothing but the body: steps 2 to 4, before anybody asks who the caller is."""
    for name in sorted(LINKS & body.keys()):
        refuse_read_only(name)
    schema.check(body)
    if not UUID.fullmatch(body.get("id", NIL)):
        raise BadRequest("id is not a UUID: the schema's pattern lets a line break pass at its end, storage does not.")
    for name in body:
        check_length(name)
        refuse_reserved(name)


def wished_image(body: dict[str, Any], rules: Rules, caller: Caller, new_id: Callable[[], str], now: datetime) -> Image:
    """Make the part of the record that policy asks about, if the caller may have it: step 5.

    Raises Forbidden or PolicyForbids.
    """
    wished = Image(
        id=body.get("id") or new_id(),
        owner=body.get("owner", caller.project_id),
        visibility=body.get("visibility", "shared"),
        properties={name: property_value(body[name]) for name in body.keys() - SETTABLE - READ_ONLY - {"locations"}},
        created_at=now,
        updated_at=now,
    )
    _require_policies(wished, rules, caller)
    return wished


def complete_image(wished: Image, body: dict[str, Any], rules: Rules, caller: Caller) -> Image:
    """Put the rest of the body into the record: steps 7 and 8, but for what storage decides.

    Raises Forbidden, BadRequest or QuotaExceeded.
    """
    _require_protections(wished, rules, caller)
    given = {name: value for name, value in body.items() if name in SETTABLE - {"id", "owner", "visibility"}}
    tags = field_value("tags", given.pop("tags", ()), rules.settings)
    _refuse_service_fields(body)
    fields = {name: field_value(name, value, rules.settings) for name, value in given.items()}
    check_property_quota(wished.properties, rules.settings)
    return replace(wished, tags=tags, **fields)


def _require_policies(wished: Image, rules: Rules, caller: Caller) -> None:
    if wished.owner != caller.project_id and not rules.policy.is_admin(caller):
        raise Forbidden(f"You are not permitted to create images owned by '{wished.owner}'.")
    target = ImageTarget(View(wished), caller)
    require_collection(rules.policy, "add_image", caller, target)
    if wished.visibility in VISIBILITY_RULES:
        require_collection(rules.policy, VISIBILITY_RULES[wished.visibility], caller, target)


def _require_protections(wished: Image, rules: Rules, caller: Caller) -> None:
    for name in wished.properties:
        if not rules.protections.may("create", name, caller):
            raise Forbidden(f"Attribute '{name}' is reserved.")


def _refuse_service_fields(body: dict[str, Any]) -> None:
    for name in body:
        refuse_read_only(name)
    if "locations" in body:
        raise Forbidden("Attribute 'locations' is reserved.")

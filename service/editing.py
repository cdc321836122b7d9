"""Changes to one image, by one caller: what each needs, and the record that comes out (reference section 5.4)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from drivers.errors import QuotaExceeded
from drivers.records import Image, View
from service.caller import Caller
from service.image_names import FORMATS, SETTABLE, count_properties
from service.location_edits import LocationEditor
from service.patch import Change, Dialect
from service.placing import Found
from service.policy.gates import require
from service.protections import Action
from service.refusals import BadRequest, Conflict, Forbidden
from service.rules import Rules
from service.settings import Settings

LARGEST_INTEGER = 2**31 - 1
VISIBILITY_RULES: Mapping[str, str] = MappingProxyType({"public": "publicize_image", "community": "communitize_image"})


class Editor:
    """Applies changes in order to a copy; nothing is saved here, so one refusal leaves the image as it was."""

    def __init__(self, rules: Rules, caller: Caller, view: View, found: Mapping[str, Found]) -> None:
        self._rules = rules
        self._caller = caller
        self._view = view
        self._fields: dict[str, Any] = {}
        self._properties = dict(view.image.properties)
        self._locations = LocationEditor(view.image, found, rules.settings)

    def apply(self, changes: list[Change], dialect: Dialect) -> Image:
        """Give the image after all changes.

        Raises what the gates raise, Forbidden, Conflict, BadRequest, or QuotaExceeded; LocationWanted when a URL has
        to be looked up first.
        """
        for change in changes:
            self._require_policies(change)
            if change.name in SETTABLE:
                self._change_field(change, dialect)
            elif change.name == "locations":
                self._change_locations(change)
            else:
                self._change_property(change, dialect)
        self._check_property_quota()
        return replace(self._locations.image, properties=self._properties, **self._fields)

    def _require_policies(self, change: Change) -> None:
        if change.name == "locations":
            rule = "delete_image_location" if change.verb == "remove" else "set_image_location"
            self._require(rule)
            return
        if change.name == "visibility" and change.value in VISIBILITY_RULES:
            self._require(VISIBILITY_RULES[change.value])
        self._require("modify_image")

    def _require(self, rule: str) -> None:
        require(self._rules.policy, rule, self._caller, self._view)

    def _change_field(self, change: Change, dialect: Dialect) -> None:
        if change.verb == "remove":
            raise Forbidden(f"Property {change.name} may not be removed.")
        if change.verb == "add" and dialect == "draft 4":
            raise _present(change.name)
        if change.name == "owner" and not self._rules.policy.is_admin(self._caller):
            raise Forbidden("Only an administrator may change the owner of an image.")
        if change.name in FORMATS and self._view.image.status != "queued":
            raise Forbidden(f"Attribute {change.name} can be replaced only for a queued image.")
        self._fields[change.name] = field_value(change.name, change.value, self._rules.settings)

    def _change_property(self, change: Change, dialect: Dialect) -> None:
        present = change.name in self._properties and self._may("read", change.name)
        if not present and change.verb != "add":
            raise Conflict(f"Property {change.name} does not exist.")
        if present and change.verb == "add" and dialect == "draft 4":
            raise _present(change.name)
        self._check_protection(change, present=present)
        if change.verb == "remove":
            del self._properties[change.name]
        else:
            self._properties[change.name] = property_value(change.value)

    def _check_protection(self, change: Change, *, present: bool) -> None:
        # What is there but hidden from the caller must not be overwritten unseen; Glance lets it.
        if not present and (change.name in self._properties or not self._may("create", change.name)):
            raise Forbidden(f"Attribute '{change.name}' is reserved.")
        if present and not self._may("delete" if change.verb == "remove" else "update", change.name):
            raise Forbidden(f"Attribute '{change.name}' is protected from this change.")

    def _may(self, action: Action, name: str) -> bool:
        return self._rules.protections.may(action, name, self._caller)

    def _change_locations(self, change: Change) -> None:
        if change.verb == "replace" and not change.value:
            raise Forbidden("Cannot replace locations from a non-empty list to an empty list.")
        if not self._rules.settings.show_multiple_locations:
            raise Forbidden("It's not allowed to change locations when locations are invisible.")
        if change.verb == "replace":
            self._locations.replace(change.value)
        elif change.verb == "remove":
            self._locations.remove(change.position or "-")
        else:
            self._locations.add(change.position or "-", change.value)

    def _check_property_quota(self) -> None:
        if self._properties.keys() - self._view.image.properties.keys():
            check_property_quota(self._properties, self._rules.settings)


def _present(name: str) -> Conflict:
    return Conflict(f"Property {name} already present.")


def check_property_quota(properties: Mapping[str, str], settings: Settings) -> None:
    """Raise QuotaExceeded when an image would have more additional properties than it may (reference section 7)."""
    _check_quota("properties of an image", settings.image_property_quota, count_properties(properties))


def check_tag_quota(tags: tuple[str, ...], settings: Settings) -> None:
    """Raise QuotaExceeded when an image would have more tags than it may (reference section 7)."""
    _check_quota("tags of an image", settings.image_tag_quota, len(tags))


def _check_quota(what: str, limit: int, wanted: int) -> None:
    if 0 <= limit < wanted:
        raise QuotaExceeded(what, limit, wanted)


def property_value(value: str | None) -> str:
    """Give a property's value as the record keeps it: null, which only an operator's schema admits, is no text."""
    return value or ""


def field_value(name: str, value: Any, settings: Settings) -> Any:
    """Give a field's value, valid by the schema, as the record keeps it; tags become a sorted set.

    Raises BadRequest for a number out of range, QuotaExceeded for too many tags.
    """
    if name == "tags":
        tags = tuple(sorted(set(value)))
        check_tag_quota(tags, settings)
        return tags
    if name in {"min_disk", "min_ram"}:
        if not 0 <= value <= LARGEST_INTEGER:
            raise BadRequest(f"{name} is {value}: it has to be between 0 and {LARGEST_INTEGER}.")
        return int(value)
    return value

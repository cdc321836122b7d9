"""What requests say, as the items that are kept: content is encoded once, and goes out again as it is."""

from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw
from msgspec.structs import replace

from drivers.metadefs.records import Item, Namespace
from service.metadefs.bodies import Fragment, NewAssociation, NewNamespace, NewObject, NewTag

ENCODER: Final = msgspec.json.Encoder()


class ObjectContent(msgspec.Struct, frozen=True):
    """What is kept of an object beside its name."""

    description: str | msgspec.UnsetType = UNSET
    required: list[str] = []
    properties: dict[str, Any] = {}


def new_namespace(new: NewNamespace, owner: str, now: datetime) -> Namespace:
    """Make the record of a namespace, which belongs to `owner` where nothing else is said."""
    return Namespace(
        name=new.namespace,
        display_name=None if new.display_name is UNSET else new.display_name,
        description=None if new.description is UNSET else new.description,
        visibility=new.visibility,
        protected=new.protected,
        owner=owner if new.owner is UNSET else new.owner,
        created_at=now,
        updated_at=now,
    )


def property_item(name: str, fragment: Fragment, now: datetime) -> Item:
    """Make the item of a property; the name is kept beside the content only."""
    return Item("property", name, now, now, _raw(replace(stored(fragment), name=UNSET)))


def association_item(new: NewAssociation, now: datetime) -> Item:
    """Make the item of an association."""
    fields = {"prefix": new.prefix, "properties_target": new.properties_target}
    return Item("resource_type", new.name, now, now, _raw({k: v for k, v in fields.items() if v is not UNSET}))


def object_item(new: NewObject, now: datetime) -> Item:
    """Make the item of an object."""
    properties = {name: stored(each) for name, each in (new.properties or {}).items()}
    return Item("object", new.name, now, now, _raw(ObjectContent(new.description, new.required or [], properties)))


def tag_item(new: NewTag, now: datetime) -> Item:
    """Make the item of a tag, which is its name and nothing else."""
    return Item("tag", new.name, now, now)


def child_items(new: NewNamespace, now: datetime) -> tuple[Item, ...]:
    """Make the items of all that comes with a namespace."""
    return (
        *(association_item(each, now) for each in new.resource_type_associations or ()),
        *(property_item(name, each, now) for name, each in (new.properties or {}).items()),
        *(object_item(each, now) for each in new.objects or ()),
        *(tag_item(each, now) for each in new.tags or ()),
    )


def stored(fragment: Fragment) -> Fragment:
    """Give a fragment as it comes back: `default` as text, null for what is no single value (section 7.2)."""
    return fragment if fragment.default is UNSET else replace(fragment, default=_default_text(fragment.default))


def _default_text(value: Any) -> str | None:
    # As Glance says them: "True" and "1.5", for clients compare.
    return None if value is None or isinstance(value, list | dict) else str(value)


def _raw(content: Any) -> Raw:
    return Raw(ENCODER.encode(content))

"""Which names of an image's fields and properties callers may set, and which are the service's (section 3.3)."""

from collections.abc import Iterable

from service.refusals import BadRequest, Forbidden

LINKS = frozenset({"direct_url", "self", "file", "schema", "stores"})
READ_ONLY = frozenset(
    {"created_at", "updated_at", "status", "checksum", "size", "virtual_size", "os_hash_algo", "os_hash_value"}
)
FORMATS = frozenset({"container_format", "disk_format"})
SETTABLE = FORMATS | {"id", "name", "visibility", "protected", "os_hidden", "owner", "min_disk", "min_ram", "tags"}
RESERVED = frozenset({"location", "deleted", "deleted_at"})
NAME_LIMIT = 255
RESERVED_PREFIX = "os_glance"


def check_length(name: str) -> None:
    """Raise BadRequest for a property name that is too long."""
    if len(name) > NAME_LIMIT:
        raise BadRequest(f"The property name '{name[:32]}...' is longer than {NAME_LIMIT} characters.")


def refuse_read_only(name: str) -> None:
    """Raise Forbidden for a field that only the service sets."""
    if name in READ_ONLY or name in LINKS:
        raise Forbidden(f"Attribute '{name}' is read-only.")


def refuse_fixed(name: str) -> None:
    """Raise Forbidden for the field that is chosen at creation, once and for all."""
    if name == "id":
        raise Forbidden("Attribute 'id' is read-only.")


def refuse_reserved(name: str) -> None:
    """Raise Forbidden for a name that no property may have, because the service gives it a meaning of its own."""
    if name in RESERVED or name.startswith(RESERVED_PREFIX):
        raise Forbidden(f"Attribute '{name}' is reserved.")


def count_properties(names: Iterable[str]) -> int:
    """Count the additional properties that a quota is about: all but the service's own (reference section 3.2)."""
    return sum(not name.startswith(RESERVED_PREFIX) for name in names)

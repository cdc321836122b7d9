"""The properties in which an image tells how its import is going (reference section 3.2)."""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from drivers.records import Image
from drivers.usage import IMPORTING
from service.refusals import Conflict

FAILED = "os_glance_failed_import"
LOCK = "os_glance_import_task"
BUSY = "Image has active task: wait for it to end, its status is at /v2/images/{image_id}/tasks."


def stores_in(image: Image, name: str) -> frozenset[str]:
    """Read one of the two lists of stores."""
    return frozenset(filter(None, image.properties.get(name, "").split(",")))


def marked(
    image: Image,
    *,
    importing: Iterable[str] = (),
    done: Iterable[str] = (),
    failed: Iterable[str] = (),
    lock: str | None = None,
) -> Image:
    """Put stores into the lists, or take those that are done, or failed, out of the one they were in.

    Both lists are there from the first import on, empty when there is nothing to tell. `lock` names the task that works
    on the image; None leaves that as it is.
    """
    importing, done, failed = set(importing), set(done), set(failed)
    lists: Mapping[str, Iterable[str]] = {
        IMPORTING: (stores_in(image, IMPORTING) | importing) - done - failed,
        FAILED: (stores_in(image, FAILED) | failed) - importing - done,
    }
    properties = image.properties | {name: ",".join(sorted(stores)) for name, stores in lists.items()}
    return replace(image, properties=properties | ({LOCK: lock} if lock else {}))


def require_no_task(image: Image) -> None:
    """Raise Conflict while the image is locked by a task, which comes to its end whoever has to see to that."""
    if LOCK in image.properties:
        raise Conflict(BUSY)


def unlocked(image: Image) -> Image:
    """Let other tasks work on the image."""
    return replace(image, properties={name: value for name, value in image.properties.items() if name != LOCK})

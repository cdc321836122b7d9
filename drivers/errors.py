"""What a driver may answer instead of a result; the service turns each into a status in one table."""


class StoreError(Exception):
    """Any refusal or failure of a store."""


class ImageNotFound(StoreError):
    """No live image has this id: it never was, or it was deleted."""

    def __init__(self, image_id: str) -> None:
        super().__init__(f"No image found with ID {image_id}")
        self.image_id = image_id


class UnknownMarker(StoreError):
    """The page cannot start after this image or task: it is not there, or not for the viewer to see."""

    def __init__(self, marker: str, kind: str = "image") -> None:
        super().__init__(f"No {kind} found with ID {marker}: the marker must be one that you can see.")


class ImageIdTaken(StoreError):
    """The id belongs to an image, or once did: ids are never used twice (OSSN-0075)."""

    def __init__(self, image_id: str) -> None:
        super().__init__(f"Image ID {image_id} already exists!")
        self.image_id = image_id


class RevisionConflict(StoreError):
    """Somebody else changed the image since it was read; read it again and decide anew."""

    def __init__(self, image_id: str) -> None:
        super().__init__(f"Image {image_id} was changed by another request")
        self.image_id = image_id


class MemberNotFound(StoreError):
    """The image is not shared with this project."""

    def __init__(self, image_id: str, member_id: str) -> None:
        super().__init__(f"{member_id} not found in the member list of the image {image_id}.")


class MemberExists(StoreError):
    """The image is shared with this project already."""

    def __init__(self, image_id: str, member_id: str) -> None:
        super().__init__(f"The target member {member_id} is already associated with image {image_id}.")


class QuotaExceeded(StoreError):
    """The change would take a count or a size over its limit."""

    def __init__(self, what: str, limit: int, wanted: int) -> None:
        super().__init__(f"The limit of {limit} {what} would be exceeded: {wanted} wanted.")
        self.limit = limit


class TaskNotFound(StoreError):
    """No task has this id."""

    def __init__(self, task_id: str) -> None:
        super().__init__(f"No task found with ID {task_id}")


class ObjectTaken(StoreError):
    """The object is an image's already, or is on its way to be one's."""

    def __init__(self) -> None:
        super().__init__("Invalid location: the object is another image's.")


class LeaseLost(StoreError):
    """The claim or the task is no longer its holder's: its lease ran out, its image was deleted, or it has ended."""


class BlobNotFound(StoreError):
    """The store has no object of this name."""


class BlobExists(StoreError):
    """The store has an object of this name already, and never overwrites one."""


class StoreFull(StoreError):
    """The store has no room for the object."""


class StoreReadOnly(StoreError):
    """The store takes no objects, or lets none be removed."""


class StoreUnavailable(StoreError):
    """The storage behind the driver did not answer, or not in time."""


class FetchRefused(StoreError):
    """The URL is none that may be fetched: malformed, forbidden by the operator, or of a host that nobody may reach."""


class SchemaTooOld(StoreUnavailable):
    """The database's schema is older than this release needs."""


class Unstorable(StoreError):
    """A value no column can hold, as text with a NUL or a number beyond 64 bits: the caller let it through."""


class UnknownScheme(StoreError):
    """No driver serves this kind of URL."""

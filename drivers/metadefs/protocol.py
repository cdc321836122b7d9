"""The contract of a store of metadata definitions; a driver offers it as `metadefs` beside its images, or does not."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from drivers.metadefs.records import Ask, Change, Contents, NamespaceQuery, ResourceType


class MetadefStore(Protocol):
    """Namespaces and what is inside them.

    A method that returns has happened for good, and every read that starts afterwards sees it. Any method raises
    StoreUnavailable when the storage does not answer. Names are compared exactly.
    """

    async def read(self, ask: Ask) -> Contents:
        """Read a namespace and the items that are asked for, as of one moment. Raise NamespaceNotFound."""

    async def list_namespaces(self, query: NamespaceQuery) -> Sequence[Contents]:
        """Read one page of the namespaces that a project sees; see NamespaceQuery for which.

        Raise NamespaceNotFound when the marker is no namespace that the viewer may see, whatever the limit.
        """

    async def resource_types(self) -> Sequence[ResourceType]:
        """List all resource types, the earliest first, of one moment by name."""

    async def change(self, *changes: Change) -> None:
        """Make all of these changes in their order, or none.

        Whatever is done to a namespace is done to the one that was read: raise NamespaceChanged when its fields were
        saved since, or it is gone. Raise NamespaceExists, ItemExists or ItemNotFound as a change meets them.
        """


@runtime_checkable
class OffersMetadefs(Protocol):
    """A store of images that keeps metadata definitions as well."""

    metadefs: MetadefStore | None


def metadefs_of(store: object) -> MetadefStore | None:
    """Give what an opened store offers of metadata definitions; None where it offers nothing."""
    return store.metadefs if isinstance(store, OffersMetadefs) else None

"""What a store of metadata definitions may answer instead of a result."""

from drivers.errors import StoreError

WORDS = {"resource_type": "resource type", "object": "object", "property": "property", "tag": "tag"}


class MetadefNotFound(StoreError):
    """A namespace, or something in it, is not there."""


class NamespaceNotFound(MetadefNotFound):
    """No namespace has this name, or none that the viewer may know of."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No metadata definition namespace is named '{shortened(name)}'.")


class ItemNotFound(MetadefNotFound):
    """The namespace has no item of this kind and name."""

    def __init__(self, kind: str, name: str, namespace: str) -> None:
        super().__init__(f"The namespace '{namespace}' has no {WORDS[kind]} '{shortened(name)}'.")


class MetadefExists(StoreError):
    """The name is taken: that of a namespace in the whole cloud, that of an item in its namespace."""


class NamespaceExists(MetadefExists):
    """A namespace has this name, perhaps one that the caller cannot see."""

    def __init__(self, name: str) -> None:
        super().__init__(f"A metadata definition namespace named '{name}' exists already.")


class ItemExists(MetadefExists):
    """The namespace has an item of this kind and name already, or is to get two."""

    def __init__(self, kind: str, name: str, namespace: str) -> None:
        super().__init__(f"The namespace '{namespace}' has a {WORDS[kind]} '{name}' already.")


class NamespaceChanged(StoreError):
    """Somebody else changed the namespace, or removed it, since it was read; read it again and decide anew."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The namespace '{name}' was changed by another request.")


def shortened(name: str) -> str:
    """Quote no more of a name than the longest there can be."""
    return name if len(name) <= 80 else f"{name[:80]}..."

"""Stores of image data for applications that are made by hand."""

from drivers.blobs.memory import MemoryBlobs
from service.data.stores import UNNAMED, DataStore, Stores


def one_store() -> Stores:
    """Make an empty store without a name, in memory."""
    store = DataStore(UNNAMED, MemoryBlobs())
    return Stores({UNNAMED: store}, store, store)

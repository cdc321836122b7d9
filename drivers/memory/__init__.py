"""The contract in dictionaries: the embedded default, and the plainest statement of what a driver does."""

from drivers.memory.store import MemoryStore, open_memory

__all__ = ["MemoryStore", "open_memory"]

"""A bounded memory for what is asked for again; what is asked for once leaves it as it is."""

from array import array
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# How many hashes of keys that were offered once are remembered, for each value that there is room for.
HASHES = 4


class Recall(Generic[K, V]):
    """Keeps values by key, at most so many of them, each from the second time on that it is offered.

    A walk through more than it holds would replace all of it to no use, and cost more than to remember nothing:
    memory that was not touched for long is slow. What the first offer leaves is a hash, in the place of an older one.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._offered = array("q", bytes(8 * HASHES * most))

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K) -> V | None:
        """Give the value that was kept for the key last, if it still is."""
        return self._kept.get(key)

    def offer(self, key: K, value: V) -> None:
        """Keep the value if the key was met before; of too many, forget the one whose key came the longest ago."""
        if key in self._kept or self._was_offered(key):
            self._kept[key] = value
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def _was_offered(self, key: K) -> bool:
        number = hash(key)
        place = number % len(self._offered)
        met = self._offered[place] == number
        self._offered[place] = number
        return met

"""A bounded cache in front of a token verifier (design: "Fast without being stale")."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from service.caller import Caller
from service.tokens.flights import Flights
from service.tokens.protocol import Endpoint, TokenVerifier
from service.tokens.text import token_digest

# Long enough to spare the identity service a client's retries; a token that is not valid seldom becomes so.
REFUSED_SECONDS = 5.0

_Key = tuple[bytes, bool]


class _Answer(NamedTuple):
    caller: Caller | None
    fresh_until: float  # on the monotonic clock
    expires_at: float  # on the wall clock


class CachedVerifier:
    """Remembers what another verifier answered, by the token's hash; errors are not remembered.

    An answer is trusted for `seconds`, a refusal for at most REFUSED_SECONDS, and no answer past the token's
    `expires_at`: an expired token that a service vouches for is asked about each time. `monotonic` and `wall` are
    clocks in seconds; a stepped wall clock cannot keep an answer beyond `seconds`.
    """

    def __init__(
        self,
        verifier: TokenVerifier,
        *,
        seconds: float,
        size: int,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._verifier = verifier
        self._seconds = seconds
        self._size = size
        self._monotonic = monotonic
        self._wall = wall
        # Refusals live apart, so that a flood of made-up tokens does not push out the valid ones.
        self._valid: OrderedDict[_Key, _Answer] = OrderedDict()
        self._refused: OrderedDict[_Key, _Answer] = OrderedDict()
        self._flights: Flights[_Key, Caller | None] = Flights()

    async def verify(self, token: str, *, allow_expired: bool = False) -> Caller | None:
        """Answer from memory or, once for all who ask meanwhile, from the verifier; raises what that raises."""
        key = (token_digest(token), allow_expired)
        answer = self._valid.get(key) or self._refused.get(key)
        if answer and self._monotonic() < answer.fresh_until and self._wall() < answer.expires_at:
            return answer.caller
        return await self._flights.join(key, lambda: self._ask(key, token))

    async def endpoints(self, token: str, kind: str) -> Sequence[Endpoint]:
        """Ask the verifier, as it is seldom asked."""
        return await self._verifier.endpoints(token, kind)

    async def close(self) -> None:
        """Cancel what is under way and close the verifier."""
        await self._flights.close()
        await self._verifier.close()

    async def _ask(self, key: _Key, token: str) -> Caller | None:
        caller = await self._verifier.verify(token, allow_expired=key[1])
        shelf, other = (self._refused, self._valid) if caller is None else (self._valid, self._refused)
        shelf[key] = self._answer(caller)
        shelf.move_to_end(key)
        other.pop(key, None)
        if len(shelf) > self._size:
            # The answer that was got first, which is the next to go stale.
            shelf.popitem(last=False)
        return caller

    def _answer(self, caller: Caller | None) -> _Answer:
        seconds = min(self._seconds, REFUSED_SECONDS) if caller is None else self._seconds
        ends = caller.expires_at if caller else None
        return _Answer(caller, self._monotonic() + seconds, ends.timestamp() if ends else math.inf)

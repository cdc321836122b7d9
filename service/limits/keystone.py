"""Limits that Keystone keeps, read with the service's own credentials."""

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import msgspec

from drivers.usage import Limits
from service.limits.protocol import LimitsUnavailable
from service.limits.unified import UNIFIED_LIMITS
from service.tokens.flights import Flights
from service.tokens.keystone_session import KeystoneSession
from service.tokens.keystone_wire import decode
from service.tokens.protocol import IdentityUnavailable

logger = logging.getLogger(__name__)

# Long enough to spare Keystone most questions of a busy project, short enough that a raised limit is felt at once.
FRESH_SECONDS = 10.0
PROJECTS = 10_000
# What Keystone 30 lets be asked about; an image's owner may be any text that an administrator wrote.
PROJECT_ID = re.compile(r"[a-zA-Z0-9-]{1,64}")

_HINTS = {
    403: "the service's own user needs the role `reader` on the system",
    404: "check VITRINE_LIMIT_ENDPOINT_ID, and VITRINE_KEYSTONE_URL",
}
_T = TypeVar("_T")


class _Endpoint(msgspec.Struct):
    service_id: str
    region_id: str | None = None


class _EndpointAnswer(msgspec.Struct):
    endpoint: _Endpoint


class _Model(msgspec.Struct):
    name: str


class _ModelAnswer(msgspec.Struct):
    model: _Model


class _RegisteredLimit(msgspec.Struct):
    resource_name: str
    default_limit: int


class _RegisteredLimits(msgspec.Struct):
    registered_limits: list[_RegisteredLimit]
    truncated: bool = False


class _ProjectLimit(msgspec.Struct):
    resource_name: str
    resource_limit: int


class _ProjectLimits(msgspec.Struct):
    limits: list[_ProjectLimit]
    truncated: bool = False


class _Known(NamedTuple):
    limits: Limits
    fresh_until: float  # on the monotonic clock


class KeystoneLimits:
    """Reads limits as oslo.limit 2.12 does, and remembers those of a project for FRESH_SECONDS.

    A project's own limit counts, else the registered default; a limit that is not registered is 0, so nothing is
    allowed before an operator has registered all four. `endpoint_id` names the endpoint whose service and region the
    limits are registered for. Only the model `flat` is enforced, any other is LimitsUnavailable. The endpoint and the
    model are read once. The session's user has to see all projects' limits: scoped to the system, as a reader.
    """

    def __init__(
        self, session: KeystoneSession, endpoint_id: str, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._session = session
        self._endpoint_id = endpoint_id
        self._monotonic = monotonic
        self._scope: Mapping[str, str] | None = None
        self._known: dict[str, _Known] = {}
        self._flights: Flights[str, Limits] = Flights()

    async def limits(self, project_id: str) -> Limits:
        """Answer from memory or, once for all who ask meanwhile, from Keystone. Raises LimitsUnavailable."""
        known = self._known.get(project_id)
        if known and self._monotonic() < known.fresh_until:
            return known.limits
        return await self._flights.join(project_id, lambda: self._learn(project_id))

    async def close(self) -> None:
        """Cancel what is under way and close the session."""
        await self._flights.close()
        await self._session.close()

    async def _learn(self, project_id: str) -> Limits:
        try:
            async with self._session.bounded():
                limits = await self._read(project_id)
        except IdentityUnavailable as error:
            raise LimitsUnavailable(f"The project's limits are not known, so nothing can be added: {error}") from None
        self._known.pop(project_id, None)
        self._known[project_id] = _Known(limits, self._monotonic() + FRESH_SECONDS)
        if len(self._known) > PROJECTS:
            # The one that was learnt first, which is the next to go stale.
            del self._known[next(iter(self._known))]
        return limits

    async def _read(self, project_id: str) -> Limits:
        if self._scope is None:
            self._scope = await self._read_scope()
        found = await self._registered_limits(self._scope) | await self._project_limits(self._scope, project_id)
        if missing := [limit.name for limit in UNIFIED_LIMITS if limit.name not in found]:
            logger.warning("Keystone has no registered limit for %s: none is allowed", ", ".join(missing))
        return Limits(**{limit.field: found.get(limit.name, 0) * limit.unit for limit in UNIFIED_LIMITS})

    async def _read_scope(self) -> Mapping[str, str]:
        """Find the service, and the region if it has one, for which the limits are registered."""
        model = (await self._ask("limits/model", _ModelAnswer)).model.name
        if model != "flat":
            raise self._session.unavailable(f"enforces the limits' model `{model}`, of which only `flat` is supported")
        endpoint = (await self._ask(f"endpoints/{self._endpoint_id}", _EndpointAnswer)).endpoint
        return {"service_id": endpoint.service_id} | ({"region_id": endpoint.region_id} if endpoint.region_id else {})

    async def _registered_limits(self, scope: Mapping[str, str]) -> dict[str, int]:
        answer = await self._ask("registered_limits", _RegisteredLimits, scope)
        self._require_all(truncated=answer.truncated)
        return {limit.resource_name: limit.default_limit for limit in answer.registered_limits}

    async def _project_limits(self, scope: Mapping[str, str], project_id: str) -> dict[str, int]:
        if not PROJECT_ID.fullmatch(project_id):
            return {}
        answer = await self._ask("limits", _ProjectLimits, {**scope, "project_id": project_id})
        self._require_all(truncated=answer.truncated)
        return {limit.resource_name: limit.resource_limit for limit in answer.limits}

    async def _ask(self, path: str, kind: type[_T], params: Mapping[str, str] | None = None) -> _T:
        answer = await self._session.get(path, params or {})
        if answer.status != 200:
            raise self._session.unexpected(answer.status, _HINTS, f"the question for {path}")
        read = decode(answer.body, kind)
        if read is None:
            raise self._session.unavailable(f"answered the question for {path} with something else")
        return read

    def _require_all(self, *, truncated: bool) -> None:
        if truncated:
            raise self._session.unavailable("lists only some of the limits: raise its `[unified_limit] list_limit`")

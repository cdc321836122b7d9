"""Who asks: the identity behind a request, as tokens verify it and as policy judges it."""

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import msgspec

Scope = Literal["project", "domain", "system", "unscoped"]


class Caller(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A verified identity (reference section 0.1).

    `roles` and `service_roles` are lower case. `service_roles` are those of a valid `X-Service-Token` that came
    with the request. `expires_at` is the end of the token's life, None for one that never ends.
    """

    user_id: str
    project_id: str | None = None
    roles: frozenset[str] = frozenset()
    service_roles: frozenset[str] = frozenset()
    scope: Scope = "project"
    user_domain_id: str | None = None
    project_domain_id: str | None = None
    domain_id: str | None = None
    expires_at: datetime | None = None

    @cached_property
    def credentials(self) -> Mapping[str, Any]:
        """What policy rules may ask of the caller: the left-hand names of checks such as `project_id:%(owner)s`."""
        return {
            "user_id": self.user_id,
            "project_id": self.project_id,
            "roles": sorted(self.roles),
            "service_roles": sorted(self.service_roles),
            "user_domain_id": self.user_domain_id,
            "project_domain_id": self.project_domain_id,
            "domain_id": self.domain_id,
            "system_scope": "all" if self.scope == "system" else None,
        }

"""The contract of token verifiers: a token goes in, the identity it stands for comes out."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from service.caller import Caller


class IdentityUnavailable(Exception):
    """The identity service did not answer, or not in time, or not sensibly: a 503, never a 401.

    The text says what to mend and holds no token, password or URL credential.
    """


class Endpoint(NamedTuple):
    """One address of a service: in which region, for whom (`public`, `internal`, `admin`), and its URL."""

    region: str
    interface: str
    url: str


class TokenVerifier(Protocol):
    """Something that knows which tokens are valid. `verify` may be given any text a client sent."""

    async def verify(self, token: str, *, allow_expired: bool = False) -> Caller | None:
        """Tell whom the token stands for, without `service_roles`; None for a token that is not valid.

        `allow_expired` lets a token pass whose only fault is its age; how old it may be is the issuer's choice.
        Raises IdentityUnavailable.
        """

    async def endpoints(self, token: str, kind: str) -> Sequence[Endpoint]:
        """List the services of a kind, as `image`, in the catalog of a valid token. Raises IdentityUnavailable."""

    async def close(self) -> None:
        """Release connections; the verifier is not used afterwards."""

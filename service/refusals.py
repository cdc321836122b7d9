"""What the service itself refuses, as exceptions; `errors` gives each its status."""

from collections.abc import Mapping
from types import MappingProxyType


class Refusal(Exception):
    """The service itself says no; `headers` belong to the answer."""

    headers: Mapping[str, str] = MappingProxyType({})


class BadRequest(Refusal):
    """The request cannot mean anything; the text says where and why."""


class RequestTimeout(Refusal):
    """The request did not arrive in time (RFC 9110 section 15.5.9)."""


class Forbidden(Refusal):
    """The caller may see the image, but nobody, or not they, may do this to it."""


class NotFound(Refusal):
    """Part of an image is not there, or not for this caller."""


class Conflict(Refusal):
    """The image is not in a state that allows this."""


class PreconditionFailed(Refusal):
    """The image is no longer the one that `If-Match` names (RFC 9110 section 13.1.1)."""

    def __init__(self) -> None:
        super().__init__("The image has changed since it was read: its ETag is not in If-Match. Read it again.")


class UnsupportedMediaType(Refusal):
    """The body is of a type that this operation does not read; the header tells which it does (RFC 5789)."""

    def __init__(self, accepted: str) -> None:
        super().__init__(f"The Content-Type is none of: {accepted}.")
        self.headers = {"Accept-Patch": accepted}


class Unauthorized(Refusal):
    """No valid token came with the request; the answer's header tells where to get one (reference section 8.3)."""

    def __init__(self, keystone: str | None) -> None:
        super().__init__("No valid token came in X-Auth-Token: it is missing, expired, revoked or of another cloud.")
        self.headers = {"WWW-Authenticate": f'Keystone uri="{keystone}"' if keystone else "Keystone"}

"""What the service itself refuses, as exceptions; `errors` gives each its status."""

from collections.abc import Mapping
from types import MappingProxyType


class Refusal(Exception):
    """The service itself says no; `headers` belong to the answer."""

    headers: Mapping[str, str] = MappingProxyType({})


class BadRequest(Refusal):
    """The request cannot mean anything; the text says where and why."""


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
    """The body is of a type that this operation does not read; a header tells which it does (RFC 9110, RFC 5789)."""

    def __init__(self, accepted: str, header: str = "Accept") -> None:
        super().__init__(f"The Content-Type is none of: {accepted}.")
        self.headers = {header: accepted}


class UnsupportedEncoding(Refusal):
    """The body is compressed, which here would change what is kept (RFC 9110 sections 8.4 and 12.5.3)."""

    headers = MappingProxyType({"Accept-Encoding": "identity"})

    def __init__(self) -> None:
        super().__init__("Data is kept as it comes: send it without Content-Encoding.")


class TimedOut(Refusal):
    """The request, or the next part of its data, did not arrive in time (RFC 9110 section 15.5.9)."""


class UnsupportedContent(Refusal):
    """The image's data is not what the image claims, or not safe to use (reference section 10.5)."""


class NotSatisfiable(Refusal):
    """The range that is asked for is none of the image's (RFC 9110 section 15.5.17)."""


class Gone(Refusal):
    """The image vanished, or went its own way, while its data came."""


class Unauthorized(Refusal):
    """No valid token came with the request; the answer's header tells where to get one (reference section 8.3)."""

    def __init__(self, keystone: str | None) -> None:
        super().__init__("No valid token came in X-Auth-Token: it is missing, expired, revoked or of another cloud.")
        self.headers = {"WWW-Authenticate": f'Keystone uri="{keystone}"' if keystone else "Keystone"}

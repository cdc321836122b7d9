"""Every error becomes a status and a body here, once (reference sections 8.1 and 8.4)."""

import html
import logging
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

import msgspec
from aiohttp import hdrs, web

from drivers.errors import (
    BlobExists,
    BlobNotFound,
    FetchRefused,
    ImageIdTaken,
    ImageNotFound,
    MemberExists,
    MemberNotFound,
    ObjectTaken,
    QuotaExceeded,
    RevisionConflict,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
    TaskNotFound,
    UnknownMarker,
    Unstorable,
)
from drivers.metadefs.errors import MetadefExists, MetadefNotFound
from service.answer import JsonAnswer
from service.key_manager import KeyManagerUnavailable
from service.limits.protocol import LimitsUnavailable
from service.negotiation import preferred
from service.policy.gates import PolicyForbids
from service.refusals import (
    BadRequest,
    Conflict,
    Forbidden,
    Gone,
    NotFound,
    NotSatisfiable,
    PreconditionFailed,
    Refusal,
    TimedOut,
    Unauthorized,
    UnsupportedContent,
    UnsupportedEncoding,
    UnsupportedMediaType,
)
from service.request_id import request_id_of
from service.tokens.protocol import IdentityUnavailable

logger = logging.getLogger(__name__)

STATUS: Mapping[type[Exception], int] = MappingProxyType(
    {
        BadRequest: 400,
        UnknownMarker: 400,
        Unstorable: 400,
        FetchRefused: 400,
        ObjectTaken: 400,
        Unauthorized: 401,
        Forbidden: 403,
        PolicyForbids: 403,
        NotFound: 404,
        ImageNotFound: 404,
        MemberNotFound: 404,
        TaskNotFound: 404,
        BlobNotFound: 404,
        MetadefNotFound: 404,
        TimedOut: 408,
        Conflict: 409,
        ImageIdTaken: 409,
        MemberExists: 409,
        MetadefExists: 409,
        RevisionConflict: 409,
        BlobExists: 409,
        Gone: 410,
        StoreReadOnly: 410,
        PreconditionFailed: 412,
        QuotaExceeded: 413,
        StoreFull: 413,
        UnsupportedMediaType: 415,
        UnsupportedEncoding: 415,
        UnsupportedContent: 415,
        NotSatisfiable: 416,
        StoreUnavailable: 503,
        IdentityUnavailable: 503,
        LimitsUnavailable: 503,
        KeyManagerUnavailable: 503,
    }
)

TEXTS: Mapping[int, str] = MappingProxyType(
    {
        404: "The resource could not be found.",
        500: "The service failed in a way it did not expect; its log has the details under the request id.",
    }
)


class ErrorBody(msgspec.Struct, frozen=True):
    """An error as JSON: `code` is the status line, `title` its words, `message` ends as Glance's do."""

    message: str
    code: str
    title: str


def answer_to(request: web.Request, error: Exception) -> web.Response:
    """Answer an exception: what is in the table gets its status, the framework's keep theirs, the rest is a 500."""
    if isinstance(error, web.HTTPException):
        return answer_in_shape(request, error)
    return _translated(request, error)


def answer_in_shape(request: web.BaseRequest, error: web.HTTPException) -> web.Response:
    """Say one of the framework's errors as all others are said."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        text = f"The method {error.method} is not allowed for this resource."
        return error_response(request, 405, text, {"Allow": allow_header(error.allowed_methods)})
    return error_response(request, error.status, TEXTS.get(error.status, error.text or error.reason))


def _translated(request: web.Request, error: Exception) -> web.Response:
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
    if status == 500:
        logger.error("%s %s failed, %s", request.method, request.path, request_id_of(request), exc_info=error)
        return error_response(request, 500, TEXTS[500])
    if status == 503:
        logger.error("%s %s: %s", request.method, request.path, error)
    return error_response(request, status, str(error), error.headers if isinstance(error, Refusal) else None)


def error_response(
    request: web.BaseRequest, status: int, text: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Say an error in the shape that the request's `Accept` asks for: plain text, HTML or JSON."""
    title = HTTPStatus(status).phrase
    shape = preferred(request.headers.get(hdrs.ACCEPT), ("text/html", "application/json"))
    if shape == "application/json":
        body = msgspec.json.encode(ErrorBody(f"{text}<br /><br />\n\n\n", f"{status} {title}", title))
        return JsonAnswer(body, status=status, headers=headers)
    page = _html(status, title, text) if shape == "text/html" else f"{status} {title}\n\n{text}\n\n   "
    return web.Response(status=status, text=page, content_type=shape or "text/plain", charset="UTF-8", headers=headers)


def _html(status: int, title: str, text: str) -> str:
    return (
        f"<html>\n <head>\n  <title>{status} {title}</title>\n </head>\n <body>\n  <h1>{status} {title}</h1>\n"
        f"  {html.escape(text)}<br /><br />\n\n\n\n </body>\n</html>"
    )


def allow_header(methods: set[str]) -> str:
    """Order methods as clients of Glance know them, what we added last (reference section 8.5)."""
    order = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
    return ", ".join(method for method in order if method in methods)

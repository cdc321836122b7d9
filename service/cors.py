"""Which pages of other origins may call the API from a browser (reference section 8.6)."""

from collections.abc import Collection, Iterator

from aiohttp import web

# HEAD is ours, the others are those that Glance allows.
METHODS = frozenset({"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"})
# In lower case: what any page may send (oslo.middleware's list), what Glance reads, and what we read besides.
SENT = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "content-language",
        "content-md",
        "content-type",
        "expires",
        "if-match",
        "if-none-match",
        "last-modified",
        "pragma",
        "range",
        "x-auth-token",
        "x-identity-status",
        "x-image-meta-checksum",
        "x-image-meta-store",
        "x-openstack-image-size",
        "x-openstack-request-id",
        "x-roles",
        "x-service-catalog",
        "x-storage-token",
        "x-tenant-id",
        "x-user-id",
    }
)
# What a page may read of an answer: what Glance exposes, and what one needs who uploads, imports and resumes.
EXPOSED = (
    "X-Image-Meta-Checksum,X-Auth-Token,X-Subject-Token,X-Service-Token,X-OpenStack-Request-ID,"
    "Content-MD5,Content-Range,ETag,Location,OpenStack-image-import-methods,OpenStack-image-store-ids"
)


def setup(app: web.Application, origins: Collection[str]) -> None:
    """Add the headers for pages of these origins to every answer, errors included; none of them costs nothing."""
    if not origins:
        return
    allowed = frozenset(origins)

    async def admit(request: web.BaseRequest, response: web.StreamResponse) -> None:
        origin = request.headers.get("Origin")
        if origin in allowed:
            _tell(request, response, origin)

    app.on_response_prepare.append(admit)


def _tell(request: web.BaseRequest, response: web.StreamResponse, origin: str) -> None:
    if request.method != "OPTIONS":
        response.headers["Access-Control-Expose-Headers"] = EXPOSED
    elif not _may_ask(request):
        return
    else:
        response.headers.update(_preflight(request))
    # Several values are one header's; whoever set another keeps it.
    response.headers.add("Vary", "Origin")
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Allow-Credentials"] = "true"


def _may_ask(request: web.BaseRequest) -> bool:
    """Tell whether what a browser asks about is allowed; one header or method that is not spoils it all."""
    method = request.headers.get("Access-Control-Request-Method")
    return method in METHODS and SENT.issuperset(name.lower() for name in _asked_headers(request))


def _preflight(request: web.BaseRequest) -> Iterator[tuple[str, str]]:
    yield "Access-Control-Allow-Methods", request.headers["Access-Control-Request-Method"]
    yield "Access-Control-Max-Age", "3600"
    if names := list(_asked_headers(request)):
        yield "Access-Control-Allow-Headers", ",".join(names)


def _asked_headers(request: web.BaseRequest) -> Iterator[str]:
    sent = request.headers.get("Access-Control-Request-Headers", "")
    yield from filter(None, (name.strip() for name in sent.split(",")))

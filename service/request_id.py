"""The id that names a request in its answer and in the log (reference section 8.2)."""

import re
from collections.abc import Callable
from random import Random

from aiohttp import web

from service.keys import NEW_REQUEST_ID

HEADER = "x-openstack-request-id"
# What a caller may choose: at most 64 characters (Glance's default), none that could forge a line of a log.
CHOSEN = re.compile(r"[\w.:+/=-]{1,64}", re.ASCII)
REQUEST_ID: web.RequestKey[str] = web.RequestKey("REQUEST_ID", str)


def request_id_of(request: web.Request) -> str:
    """Give the caller's own id, prefixed `req-` where that is missing, or a new one where it cannot be used."""
    if REQUEST_ID not in request:
        request[REQUEST_ID] = _chosen(request.headers.get(HEADER)) or request.app[NEW_REQUEST_ID]()
    return request[REQUEST_ID]


def _chosen(sent: str | None) -> str | None:
    if sent is None or not CHOSEN.fullmatch(sent):
        return None
    return sent if sent.startswith("req-") else f"req-{sent}"


def request_id_source(random: Random) -> Callable[[], str]:
    """Make a source of ids `req-<uuid4>`: told apart, not secret, so an ordinary generator will do."""

    def new_request_id() -> str:
        digits = f"{random.getrandbits(128):032x}"
        return f"req-{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    return new_request_id

"""The id that names a request in its answer and in the log (reference section 8.2)."""

import re
from collections.abc import Callable, Mapping
from random import Random

from aiohttp import web
from multidict import istr

from service.keys import NEW_REQUEST_ID

NAME = "x-openstack-request-id"
HEADER = istr(NAME)  # in which a dictionary of headers finds it without spelling it anew
# What a caller may choose: at most 64 characters (Glance's default), none that could forge a line of a log.
CHOSEN = re.compile(r"[\w.:+/=-]{1,64}", re.ASCII)
REQUEST_ID: web.RequestKey[str] = web.RequestKey("REQUEST_ID", str)


def name_request(request: web.Request) -> None:
    """Note what the request is called."""
    request[REQUEST_ID] = request_id_for(request.headers, request.app[NEW_REQUEST_ID])


def request_id_for(headers: Mapping[str, str], new: Callable[[], str]) -> str:
    """Give the caller's own id, prefixed `req-` where that is missing, or a new one where it cannot be used."""
    return _chosen(headers.get(HEADER)) or new()


def request_id_of(request: web.Request) -> str:
    """Give the id that `name_request` noted."""
    return request[REQUEST_ID]


def _chosen(sent: str | None) -> str | None:
    if sent is None or not CHOSEN.fullmatch(sent):
        return None
    return sent if sent.startswith("req-") else f"req-{sent}"


def request_id_source(random: Random) -> Callable[[], str]:
    """Make a source of ids `req-<uuid4>`: told apart, not secret, so an ordinary generator will do.

    All but their last part is the process's own. The last part counts, by a step from which nobody learns how many.
    """
    digits = f"{random.getrandbits(72):018x}"
    start = f"req-{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-a{digits[15:]}-"
    number, step = random.getrandbits(48), random.getrandbits(48) | 1  # an odd step meets every number before any again

    def new_request_id() -> str:
        nonlocal number
        number = (number + step) & 0xFFFF_FFFF_FFFF
        return f"{start}{number:012x}"

    return new_request_id

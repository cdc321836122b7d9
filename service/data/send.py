"""Image data out of a store and into a response, whole or in part."""

import asyncio
import base64
import logging
from collections.abc import Sequence

from aiohttp import web

from drivers.blobs.protocol import BlobReader
from drivers.errors import BlobNotFound, StoreError, StoreUnavailable
from drivers.records import Image, Location
from service.data.ranges import Span
from service.data.sendfile import send_file
from service.data.stores import DataStore, Stores
from service.request_id import request_id_of

logger = logging.getLogger(__name__)

# Algorithms of `Repr-Digest` (RFC 9530 section 5) that an image's hash may be of.
DIGESTS = {"sha512": "sha-512", "sha256": "sha-256"}


def data_tag(image: Image) -> str | None:
    """Name the data of an image: by its hash, as the same data is the same whatever happens to the record."""
    value = image.os_hash_value or image.checksum
    return f'"{value}"' if value else None


def data_headers(image: Image) -> dict[str, str]:
    """Tell what is known of an image's data; the hashes are of all of it, also when only a part is sent."""
    headers = {
        "Content-Type": "application/octet-stream",
        "X-Content-Type-Options": "nosniff",  # what projects upload is no page of ours
        "Accept-Ranges": "bytes",
    }
    if image.checksum:
        headers["Content-MD5"] = image.checksum  # in hex, as Glance has it
    if tag := data_tag(image):
        headers["ETag"] = tag
    algorithm = DIGESTS.get(image.os_hash_algo or "")
    if algorithm and image.os_hash_value:
        digest = base64.b64encode(bytes.fromhex(image.os_hash_value)).decode()
        headers["Repr-Digest"] = f"{algorithm}=:{digest}:"
    return headers


async def open_first(stores: Stores, image: Image, locations: Sequence[Location]) -> BlobReader:
    """Open the first of an image's locations that can be read, and whose object is as long as the image.

    Raises what became of the last one, BlobNotFound where there is none.
    """
    failure: StoreError = BlobNotFound("The image's data is in no store of this service.")
    for location in locations:
        store = stores.holding(location)
        if store is None:
            continue
        try:
            return await _opened_whole(store, image, location)
        except (BlobNotFound, StoreUnavailable) as error:
            logger.warning("Image %s cannot be read from store %s: %s", image.id, store.id or "default", error)
            failure = error
    raise failure


async def _opened_whole(store: DataStore, image: Image, location: Location) -> BlobReader:
    reader = await store.blobs.open(location.url)
    if reader.size == image.size:
        return reader
    await reader.close()
    # What was cut short while nobody looked would come with a length that fits it, and pass for the image.
    raise StoreUnavailable(f"The object has {reader.size} bytes, and the image {image.size}: it is damaged.")


async def send(
    request: web.Request, response: web.StreamResponse, reader: BlobReader, span: Span, patience: float
) -> None:
    """Send a part of an object as the response's body, to a client that may take nothing for so many seconds.

    What goes wrong once the headers are out can be told by nothing but a cut connection: so nothing is raised.
    """
    response.content_length = span.end - span.start
    try:
        await response.prepare(request)
        if request.method != "HEAD":
            await _send_body(request, response, reader, span, patience)
    except ConnectionError:
        pass  # the client has gone; there is nobody to tell
    except TimeoutError:
        logger.info("%s %s: the client takes nothing any more", request.method, request.path)
    except StoreError as error:
        logger.error("%s %s breaks off: %s", request.method, request.path, error)  # noqa: TRY400 - the text says it all
    except Exception:
        logger.exception("%s %s breaks off, %s", request.method, request.path, request_id_of(request))
    else:
        return
    if request.transport:
        request.transport.abort()


async def _send_body(
    request: web.Request, response: web.StreamResponse, reader: BlobReader, span: Span, patience: float
) -> None:
    # Through TLS only the transport can write.
    plain = request.transport is not None and request.transport.get_extra_info("sslcontext") is None
    if plain and reader.descriptor is not None:
        await send_file(request, reader, span.start, span.end, patience)
        return
    async for block in reader.blocks(span.start, span.end):
        async with asyncio.timeout(patience):
            await response.write(block)

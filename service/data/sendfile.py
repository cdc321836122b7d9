"""A file from the page cache to the socket by the kernel, without passing through this process."""

import asyncio
import os

from aiohttp import web

from drivers.blobs.protocol import BlobReader

# As much at a time as may be fetched from a slow disk before anything of it is sent.
PIECE = 2 << 20


async def send_file(request: web.Request, reader: BlobReader, start: int, end: int, patience: float) -> None:
    """Send a part of an open file after the headers of a prepared response.

    A client that takes nothing holds a descriptor, no thread and no memory. Raises ConnectionError when the client is
    gone, TimeoutError when it takes nothing for so many seconds, and what the reader raises.
    """
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("The client is gone.")
    async with asyncio.timeout(patience):
        await _emptied(request, transport)
    # A descriptor of its own: the event loop lets nobody wait on one that a transport has.
    sock = os.dup(transport.get_extra_info("socket").fileno())
    try:
        while start < end:
            start += await _send_some(sock, reader, start, min(start + PIECE, end), patience)
    finally:
        os.close(sock)


async def _emptied(request: web.Request, transport: asyncio.WriteTransport) -> None:
    """Wait until the headers have left, which go through the transport's own buffer."""
    low, high = transport.get_write_buffer_limits()
    transport.set_write_buffer_limits(high=0)
    try:
        if transport.get_write_buffer_size():
            await request.protocol._drain_helper()  # noqa: SLF001 - what the framework's own writes wait by
    finally:
        transport.set_write_buffer_limits(high=high, low=low)


async def _send_some(sock: int, reader: BlobReader, start: int, end: int, patience: float) -> int:
    """Send as much of a piece as the socket takes now, or wait until it takes something; give the bytes sent."""
    if reader.descriptor is None:
        raise ValueError("only what lies in a file can be sent by the kernel")
    if not (_is_cached(reader.descriptor, start) and _is_cached(reader.descriptor, end - 1)):
        # The disk would hold up everybody: let the reader's threads bring the piece into the page cache.
        async for _ in reader.blocks(start, end):
            pass
    try:
        sent = os.sendfile(sock, reader.descriptor, start, end - start)
    except BlockingIOError:
        async with asyncio.timeout(patience):
            await _writable(sock)
        return 0
    if not sent:
        raise ConnectionAbortedError("The file is shorter than it was.")
    await asyncio.sleep(0)
    return sent


def _is_cached(descriptor: int, offset: int) -> bool:
    try:
        return os.preadv(descriptor, [bytearray(1)], offset, os.RWF_NOWAIT) == 1
    except OSError:  # not there, or a file system that cannot tell
        return False


async def _writable(sock: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(sock, _wake, ready)
    try:
        await ready
    finally:
        loop.remove_writer(sock)


def _wake(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)

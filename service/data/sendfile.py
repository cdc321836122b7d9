"""A file from the page cache to the socket by the kernel, without passing through this process."""

import asyncio
import os

from aiohttp import web

from drivers.blobs.protocol import BlobReader

# As much at a time as may be fetched from a slow disk before anything of it is sent.
PIECE = 4 << 20


async def send_file(request: web.Request, reader: BlobReader, start: int, end: int, patience: float) -> None:
    """Send a part of an open file after the headers of a prepared response.

    A client that takes nothing holds a descriptor, no thread and no memory. Raises ConnectionError when the client is
    gone, TimeoutError when it takes nothing for so many seconds, and what the reader raises.
    """
    transport, descriptor = request.transport, reader.descriptor
    if transport is None:
        raise ConnectionResetError("The client is gone.")
    if descriptor is None:
        raise ValueError("only what lies in a file can be sent by the kernel")
    async with asyncio.timeout(patience):
        await _emptied(request, transport)
    # A descriptor of its own: the event loop lets nobody wait on one that a transport has.
    sock = os.dup(transport.get_extra_info("socket").fileno())
    try:
        while start < end:
            piece_end = min(start + PIECE, end)
            await _fetched(reader, descriptor, start, piece_end)
            while start < piece_end:
                start += await _send_some(sock, descriptor, start, piece_end, patience)
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


async def _fetched(reader: BlobReader, descriptor: int, start: int, end: int) -> None:
    """Let the reader's threads bring a piece into the page cache where it is not; the disk would hold up everybody."""
    if not (_is_cached(descriptor, start) and _is_cached(descriptor, end - 1)):
        async for _ in reader.blocks(start, end):
            pass


async def _send_some(sock: int, descriptor: int, start: int, end: int, patience: float) -> int:
    """Send as much of a piece as the socket takes, and wait until it takes more; give the bytes sent."""
    try:
        sent = os.sendfile(sock, descriptor, start, end - start)
    except BlockingIOError:
        sent = 0
    else:
        if not sent:
            raise ConnectionAbortedError("The file is shorter than it was.")
    if sent < end - start:
        async with asyncio.timeout(patience):
            await _writable(sock)
    else:
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

"""A file from the page cache to the socket by the kernel, without passing through this process."""

import asyncio
import os

from aiohttp import web

# As much at a time as the kernel may be told to read ahead, so that a cold file does not hold up the event loop long.
PIECE = 4 << 20


async def send_file(request: web.Request, descriptor: int, start: int, end: int) -> None:
    """Send the bytes of an open file after the headers of a prepared response.

    A reader that hangs holds a descriptor, no thread and no memory. Raises ConnectionError when the reader is gone.
    """
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("The client is gone.")
    await _emptied(request, transport)
    # A descriptor of its own: the event loop lets nobody wait on one that a transport has.
    sock = os.dup(transport.get_extra_info("socket").fileno())
    try:
        await _send(sock, descriptor, start, end)
    finally:
        os.close(sock)


async def _emptied(request: web.Request, transport: asyncio.WriteTransport) -> None:
    """Wait until the headers have left, which go through the transport's own buffer."""
    low, high = transport.get_write_buffer_limits()
    transport.set_write_buffer_limits(high=0)
    try:
        await request.protocol._drain_helper() if transport.get_write_buffer_size() else None  # noqa: SLF001
    finally:
        transport.set_write_buffer_limits(high=high, low=low)


async def _send(sock: int, descriptor: int, start: int, end: int) -> None:
    loop = asyncio.get_running_loop()
    while start < end:
        count = min(PIECE, end - start)
        os.posix_fadvise(descriptor, start + count, PIECE, os.POSIX_FADV_WILLNEED)
        try:
            sent = os.sendfile(sock, descriptor, start, count)
        except BlockingIOError:
            await _writable(loop, sock)
            continue
        if not sent:
            raise ConnectionAbortedError("The file is shorter than it was.")
        start += sent
        await asyncio.sleep(0)


async def _writable(loop: asyncio.AbstractEventLoop, sock: int) -> None:
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(sock, _wake, ready)
    try:
        await ready
    finally:
        loop.remove_writer(sock)


def _wake(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)

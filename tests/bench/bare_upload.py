"""The least that an upload costs: the bytes of a socket, hashed twice and written, with no HTTP and nothing kept."""

import hashlib
import os
import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Thread

BLOCK = 1 << 20


def receive(data: Path, to: Path) -> None:
    """Send a file to ourselves through a socket, hash it in two threads, write it in a third, and sync it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = Thread(target=_send, args=(listener.getsockname(), data))
        sender.start()
        connection, _ = listener.accept()
        with connection, to.open("wb", buffering=0) as file:
            _take(connection, (hashlib.md5().update, hashlib.sha512().update, file.write))
            os.fsync(file.fileno())
    sender.join()
    to.unlink()


def _send(address: tuple[str, int], data: Path) -> None:
    with socket.create_connection(address) as sock, data.open("rb") as file:
        sock.sendfile(file)


def _take(connection: socket.socket, steps: tuple[Callable[[memoryview], object], ...]) -> None:
    """Read a block while the one before goes through the steps, each in a thread."""
    buffers = [memoryview(bytearray(BLOCK)) for _ in range(2)]
    under_way: list[Future[object]] = []
    with ThreadPoolExecutor(len(steps)) as threads:
        while size := connection.recv_into(buffers[0], BLOCK, socket.MSG_WAITALL):
            for step in under_way:
                step.result()
            under_way = [threads.submit(step, buffers[0][:size]) for step in steps]
            buffers.reverse()
        for step in under_way:
            step.result()

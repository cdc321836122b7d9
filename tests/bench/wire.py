"""A client that costs as little as a client can: the kernel sends its files, and what it receives is dropped."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from tests.bench.data import TOKEN

BLOCK = 1 << 20


class Wire:
    """One server; every call is a connection of its own. Raises SystemExit for an answer that is not a success."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = str(parts.hostname), int(parts.port or 80)

    def created(self) -> str:
        """Create an image that waits for its data; give its path."""
        body = b'{"disk_format": "raw", "container_format": "bare"}'
        image = msgspec.json.decode(self.call("POST", "/v2/images", body))
        return f"/v2/images/{image['id']}"

    def call(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Make an ordinary call; give the body of the answer."""
        with socket.create_connection(self._address) as sock:
            sock.sendall(_head(method, path, len(body)) + body)
            return self._answer(sock, method, path, keep=True)[1]

    def put(self, path: str, data: Path) -> None:
        """Send a file."""
        with socket.create_connection(self._address) as sock, data.open("rb") as file:
            sock.sendall(_head("PUT", path, data.stat().st_size))
            sock.sendfile(file)
            self._answer(sock, "PUT", path)

    def get(self, path: str) -> int:
        """Receive all there is; give how many bytes that were."""
        with socket.create_connection(self._address) as sock:
            sock.sendall(_head("GET", path))
            return self._answer(sock, "GET", path)[0]

    def _answer(self, sock: socket.socket, method: str, path: str, *, keep: bool = False) -> tuple[int, bytes]:
        received = b""
        while b"\r\n\r\n" not in received:
            received += sock.recv(BLOCK)
        head, _, body = received.partition(b"\r\n\r\n")
        if not head.split()[1].startswith(b"2"):
            raise SystemExit(f"{method} {path}: {head.decode()}\n{body.decode()}")
        size, buffer = len(body), bytearray(BLOCK)
        while count := sock.recv_into(buffer):
            size += count
            body += buffer[:count] if keep else b""
        return size, body


def _head(method: str, path: str, length: int = 0) -> bytes:
    lines = f"{method} {path} HTTP/1.1", "Host: bench", f"X-Auth-Token: {TOKEN}", "Connection: close"
    body = (f"Content-Length: {length}", "Content-Type: application/octet-stream") if length else ()
    return "\r\n".join((*lines, *body, "", "")).encode()

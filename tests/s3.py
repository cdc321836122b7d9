"""An S3 server for the tests: the one that `TEST_S3_URL` names, or moto in a process of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from drivers.blobs.protocol import BlobStore
from drivers.blobs.s3.place import Keys
from drivers.blobs.s3.sigv4 import Call, signed
from tests.blob_conformance import pieces

# Both characters that do not pass through URLs as they are.
KEYS = Keys("vitrine", "not/a+secret")
BUCKET = "vitrine-test"
PATIENCE = 60.0


@contextmanager
def running_s3() -> Iterator[str]:
    """Give the URL of a store; what a test adds to its path is its own."""
    if given := os.environ.get("TEST_S3_URL"):
        yield given
        return
    (port,) = free_ports(1)
    process = subprocess.Popen([sys.executable, "-m", "tests.moto_server", str(port)], stderr=subprocess.DEVNULL)
    try:
        yield new_bucket(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


def new_bucket(endpoint: str) -> str:
    """Create the bucket, as soon as the server answers, and give the URL of a store in it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            send("PUT", endpoint, f"/{BUCKET}")
        except (URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            keys = f"{quote(KEYS.access, safe='')}:{quote(KEYS.secret, safe='')}"
            return f"s3://{keys}@{BUCKET}?endpoint={endpoint}"


def send(method: str, endpoint: str, path: str, query: dict[str, str] | None = None) -> bytes:
    """Send a signed request without a body."""
    call = Call(method, endpoint.partition("://")[2], path, query or {}, {})
    headers = signed(call, KEYS, "us-east-1", datetime.now(UTC))
    request = Request(f"{endpoint}{path}?{call.query_string}", method=method, headers=headers)
    with build_opener(ProxyHandler({})).open(request, timeout=10) as response:
        body: bytes = response.read()
        return body


def everything(store: BlobStore) -> list[Awaitable[object]]:
    """Give each thing that one may ask of a store."""
    url = store.locate("key")

    async def listed() -> None:
        async for _ in store.list():
            pass

    return [
        store.open(url),
        store.size(url),
        store.delete(url),
        store.write(url, pieces(b"hello")),
        store.clean(datetime.now(UTC)),
        store.check(),
        listed(),
    ]


def free_ports(number: int) -> list[int]:
    """Find ports of loopback that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports

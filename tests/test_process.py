"""The command as people run it: it starts, says what is wrong, survives bad bytes and stops without loss."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession

from drivers.registry import open_store
from service.connection import LINE_LIMIT
from tests.conformance import ONE, image
from tests.processes import environment, serving, vitrine, waiting_for_a_lock

ANN = {"X-Auth-Token": "token-of-ann"}


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    """Give an HTTP client."""
    async with ClientSession() as session:
        yield session


async def test_serve_shows_an_image_from_a_migrated_database(
    empty_database: str, tokens_file: str, session: ClientSession
) -> None:
    async with serving(tokens="static", tokens_file=tokens_file, store=empty_database) as (_, base):
        async with session.get(f"{base}/readyz") as response:
            assert response.status == 503
            assert "vitrine migrate" in await response.text()
        assert (await vitrine("migrate", env=environment(store=empty_database)))[0] == 0
        async with session.get(f"{base}/readyz") as response:
            assert response.status == 200
        store = await open_store(empty_database)
        await store.add(image(name="real"))
        await store.close()
        async with session.get(f"{base}/v2/images/{ONE}", headers=ANN) as response:
            assert (await response.json())["name"] == "real"


async def test_a_stop_lets_running_requests_finish(database: str, tokens_file: str, session: ClientSession) -> None:
    store = await open_store(database)
    await store.add(image())
    await store.close()
    blocker = await asyncpg.connect(database)
    async with serving(tokens="static", tokens_file=tokens_file, store=database, store_timeout="30") as (process, base):
        async with blocker.transaction():
            await blocker.execute("lock table images")
            running = asyncio.ensure_future(session.get(f"{base}/v2/images/{ONE}", headers=ANN))
            await waiting_for_a_lock(database)
            process.send_signal(signal.SIGTERM)
            await _refuses_connections(base)
        assert (await running).status == 200
        assert await process.wait() == 0
    await blocker.close()


async def _refuses_connections(base: str) -> None:
    host, port = base.removeprefix("http://").split(":")
    while True:
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except ConnectionRefusedError:
            return
        writer.close()
        await asyncio.sleep(0.01)


async def test_before_a_stop_readiness_goes_first(tokens_file: str, session: ClientSession) -> None:
    async with serving(tokens="static", tokens_file=tokens_file, unready_seconds="60") as (process, base):
        process.send_signal(signal.SIGTERM)
        while True:
            async with session.get(f"{base}/readyz") as response:
                if response.status == 503:
                    break
            await asyncio.sleep(0.01)
        async with session.get(f"{base}/v2/images/{ONE}", headers=ANN) as response:
            assert response.status == 404


async def _raw(base: str, request: bytes) -> bytes:
    host, port = base.removeprefix("http://").split(":")
    return await asyncio.to_thread(_told, (host, int(port)), request)


def _told(address: tuple[str, int], request: bytes) -> bytes:
    """Send a request, and read what is told; who sends more than is read may meet a reset, before or behind that."""
    answer = b""
    with socket.create_connection(address) as connection:
        with suppress(ConnectionError):
            connection.sendall(request)
        with suppress(ConnectionError):
            while piece := connection.recv(65_536):
                answer += piece
    return answer


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /v2/images/x HTTP/1.1\r\nHost: x\r\nX-Auth-Token: " + b"secret" * 200_000 + b"\r\n\r\n",
        b"GET /v2/images/" + b"secret" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2/images/\xff\xfe secret HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2/images/x HTTP/1.1\r\nHost: x\r\nsecret\0: secret\r\n\r\n",
        b"secret secret secret\r\n\r\n",
        b"GET /v2/images/x HTTP/1.1\r\nHost: x\r\nContent-Length: secret\r\n\r\n",
    ],
    ids=["a token of a megabyte", "a long path", "bytes that are no text", "a NUL in a header", "no HTTP", "no length"],
)
async def test_what_is_no_http_is_a_400_that_repeats_nothing(tokens_file: str, request_: bytes) -> None:
    async with serving(tokens="static", tokens_file=tokens_file) as (process, base):
        answer = await _raw(base, request_)
        assert answer.split(b"\r\n")[0].endswith(b" 400 Bad Request")
        assert b"400 Bad Request\n\n" in answer
        assert b"secret" not in answer
        assert b"Traceback" not in answer
        process.terminate()
        _, errors = await process.communicate()
        assert b"secret" not in errors


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (b"OPTIONS * HTTP/1.1\r\n", 200),
        (b"CONNECT images.example:443 HTTP/1.1\r\n", 404),
        (b"GET /v2/images/x HTTP/1.1\r\nExpect: too-much\r\n", 417),
    ],
)
async def test_what_no_route_is_asked_about_is_answered_in_the_same_shape(
    tokens_file: str, asked: bytes, status: int
) -> None:
    async with serving(tokens="static", tokens_file=tokens_file) as (_, base):
        headers = b"Host: x\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
        head, body = (await _raw(base, asked + headers)).split(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert body == b"" if status == 200 else json.loads(body)["code"].startswith(str(status))


@pytest.mark.parametrize("part", [b"", b"GET /v2/ima", b"GET /livez HTTP/1.1\r\nHost: x\r\n"])
async def test_a_request_that_never_ends_does_not_keep_its_connection(tokens_file: str, part: bytes) -> None:
    async with (
        serving(tokens="static", tokens_file=tokens_file, request_seconds="0.3") as (_, base),
        asyncio.timeout(20),
    ):
        assert await _raw(base, part) == b""


async def test_headers_up_to_the_limit_are_read(tokens_file: str, session: ClientSession) -> None:
    async with serving(tokens="static", tokens_file=tokens_file) as (_, base):
        headers = {"X-Auth-Token": "x" * (LINE_LIMIT - 100)}
        async with session.get(f"{base}/v2/images/x", headers=headers) as response:
            assert response.status == 401


async def test_the_access_log_names_the_request_and_no_token(tokens_file: str, session: ClientSession) -> None:
    async with serving(tokens="static", tokens_file=tokens_file, access_log="true") as (process, base):
        headers = ANN | {"X-Openstack-Request-Id": "req-seek-me"}
        async with session.get(f"{base}/v2/images/x", headers=headers) as response:
            assert response.status == 404
        process.terminate()
        _, errors = await process.communicate()
    assert b'"GET /v2/images/x HTTP/1.1" 404' in errors
    assert b"req-seek-me" in errors
    assert b"token-of-ann" not in errors


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "VITRINE_KEYSTONE_URL"),
        ({"tokens": "static"}, "VITRINE_TOKENS_FILE"),
        ({"tokens": "static", "tokens_file": "/nowhere.yaml"}, "/nowhere.yaml"),
        ({"keystone_url": "http://k", "keystone_username": "u"}, "VITRINE_KEYSTONE_PASSWORD"),
        ({"keystone_url": "http://k", "keystone_application_credential_id": "i"}, "CREDENTIAL_SECRET"),
        ({"port": "many"}, "VITRINE_PORT"),
        ({"prot": "1"}, "VITRINE_PORT"),
        ({"policy_file": "/nowhere.yaml"}, "/nowhere.yaml"),
        ({"store": "mongodb://u:hunter2@h/d"}, "postgresql"),
        ({"stores": "a=memory://,b=file:///nowhere/b"}, "VITRINE_STORES, store `b`: The folder in which"),
        ({"stores": "ftp://u:hunter2@h/d"}, "VITRINE_STORES: No driver for 'ftp://'"),
        ({"staging": "file:///nowhere/b"}, "VITRINE_STAGING: "),
    ],
)
async def test_a_start_that_cannot_work_says_why_in_one_line(
    tokens_file: str, settings: dict[str, str], named: str
) -> None:
    good: dict[str, str] = {"tokens": "static", "tokens_file": tokens_file}
    needs_good = {"port", "prot", "policy_file", "store", "stores", "staging"} & settings.keys()
    code, output, errors = await vitrine("serve", env=environment(**(good | settings if needs_good else settings)))
    assert (code, output) == (1, "")
    assert errors.startswith("vitrine: ")
    assert errors.count("\n") == 1
    assert named in errors
    assert "hunter2" not in errors


async def test_a_misspelt_store_is_not_taken_for_one_without_a_schema() -> None:
    code, _, errors = await vitrine("migrate", env=environment(store="postgre://host/images"))
    assert code == 1
    assert "postgresql" in errors


@pytest.mark.parametrize("option", ["--port=99999", "--port=-1", "--port=x", "--token=a b", "--token="])
async def test_the_demo_refuses_what_cannot_work(option: str) -> None:
    code, _, errors = await vitrine("demo", option, env=environment())
    assert code == 2
    assert option.partition("=")[0] in errors


async def test_a_port_in_use_says_so(tokens_file: str, session: ClientSession) -> None:
    async with serving(tokens="static", tokens_file=tokens_file) as (_, base):
        taken = environment(tokens="static", tokens_file=tokens_file, port=base.rsplit(":", 1)[1])
        code, _, errors = await vitrine("serve", env=taken)
    assert code == 1
    assert "in use" in errors


async def test_the_demo_prints_the_command_that_shows_its_image() -> None:
    command = Path(sys.executable).with_name("vitrine")
    process = await asyncio.create_subprocess_exec(
        command, "demo", "--port", "0", stdout=asyncio.subprocess.PIPE, env=environment()
    )
    assert process.stdout is not None
    try:
        curl = await _line_with(process.stdout, "curl")
        shell = await asyncio.create_subprocess_shell(curl, stdout=asyncio.subprocess.PIPE)
        shown, _ = await shell.communicate()
    finally:
        process.terminate()
        await process.communicate()
    assert b'"name":"cirros"' in shown
    assert b'"direct_url":"file:///mnt/vstorage/' in shown


async def _line_with(stream: Any, word: str) -> str:
    async for line in stream:
        if word in line.decode():
            return str(line.decode())
    raise AssertionError(word)

"""Uploads at the level of bytes: who is asked for a body, what follows it, and bodies that lie (RFC 9110, RFC 9112)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from service.remainder import MOST
from service.settings import Secret
from tests.conformance import NEVER
from tests.raw_http import Service, Wire, request, running, upload
from tests.transfers import DATA, until

LENGTH = f"Content-Length: {len(DATA)}"
LONG = Random(5).randbytes(5_000_001)
EXPECT = "Expect: 100-continue"
CHUNKED = "Transfer-Encoding: chunked"


@pytest.fixture(params=["memory", "file"])
async def service(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Service]:
    """Serve with each kind of store of data."""
    url = "memory://" if request.param == "memory" else f"file://{tmp_path}/blobs"
    async with running(stores=Secret(url)) as service:
        yield service


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def becomes(service: Service, path: str, status: str) -> None:
    async def has_become() -> bool:
        return await service.status(path) == status

    await until(has_become)


class TestExpectation:
    """A client that asks first is asked for its body once the upload is accepted, and only then."""

    async def test_the_body_is_asked_for_when_the_image_is_claimed(self, service: Service) -> None:
        path = await service.created()
        async with service.wire() as wire:
            await wire.send(upload(path, LENGTH, EXPECT))
            assert await wire.is_invited()
            assert await service.status(path) == "saving"
            await wire.send(DATA)
            assert (await wire.answer())[0] == 204

    @pytest.mark.parametrize("path", [f"/v2/images/{NEVER}", "active"])
    async def test_a_refusal_comes_instead_and_ends_the_connection(self, service: Service, path: str) -> None:
        if path == "active":
            path = (await service.uploaded(DATA)).removesuffix("/file")
        async with service.wire() as wire:
            await wire.send(upload(path, LENGTH, EXPECT))
            status, headers, _ = await wire.answer()
            assert (status, headers["connection"]) == (404 if NEVER in path else 409, "close")
            assert await wire.rest() == b""

    async def test_known_data_over_the_cap_is_not_asked_for(self) -> None:
        async with running(image_size_cap=5) as service, service.wire() as wire:
            await wire.send(upload(await service.created(), LENGTH, EXPECT))
            assert (await wire.answer())[0] == 413

    async def test_no_token_no_body(self, service: Service) -> None:
        async with service.wire() as wire:
            await wire.send(upload(f"/v2/images/{NEVER}", LENGTH, EXPECT, name="stranger"))
            assert (await wire.answer())[0] == 401

    async def test_an_upload_of_unknown_size_is_asked_for_as_well(self, service: Service) -> None:
        async with service.wire() as wire:
            await wire.send(upload(await service.created(), CHUNKED, EXPECT))
            assert await wire.is_invited()
            await wire.send(chunk(DATA), b"0\r\n\r\n")
            assert (await wire.answer())[0] == 204

    async def test_http_1_0_knows_no_expectation(self, service: Service) -> None:
        async with service.wire() as wire:
            await wire.send(upload(await service.created(), LENGTH, EXPECT, version="1.0"), DATA)
            assert (await wire.answer())[0] == 204

    async def test_a_body_of_json_is_asked_for_when_it_is_wanted(self, service: Service) -> None:
        async with service.wire() as wire:
            await wire.send(request("POST", "/v2/images", "Content-Length: 2", EXPECT))
            assert await wire.is_invited()
            await wire.send("{}")
            assert (await wire.answer())[0] == 201

    async def test_who_asks_and_does_not_wait_is_served(self, service: Service) -> None:
        async with service.wire() as wire:
            await wire.send(upload(await service.created(), LENGTH, EXPECT), DATA)
            assert await wire.is_invited()
            assert (await wire.answer())[0] == 204


class TestConnection:
    """What comes behind an upload on its connection."""

    async def test_requests_that_follow_at_once_are_answered_in_turn(self, service: Service) -> None:
        path = await service.created()
        async with service.wire() as wire:
            await wire.send(upload(path, LENGTH), DATA, request("GET", path), request("GET", f"{path}/file"))
            assert [(await wire.answer())[0] for _ in range(2)] == [204, 200]
            assert (await wire.answer())[2] == DATA

    async def test_after_a_refusal_a_short_rest_is_read_and_the_next_request_answered(self, service: Service) -> None:
        async with service.wire() as wire:
            await wire.send(upload(f"/v2/images/{NEVER}", LENGTH), DATA, request("GET", "/v2/images"))
            assert [(await wire.answer())[0] for _ in range(2)] == [404, 200]

    async def test_after_a_refusal_a_long_rest_is_not_read(self, service: Service) -> None:
        async with service.wire() as wire:
            await wire.send(upload(f"/v2/images/{NEVER}", f"Content-Length: {MOST * 100}"), DATA)
            status, headers, _ = await wire.answer()
            assert (status, headers["connection"]) == (404, "close")
            assert await _sent_until_cut(wire) < MOST * 2

    async def test_nor_is_an_endless_one(self, service: Service) -> None:
        async with service.wire() as wire:
            await wire.send(upload(f"/v2/images/{NEVER}", CHUNKED), chunk(DATA))
            assert (await wire.answer())[0] == 404
            assert await _sent_until_cut(wire, chunk(DATA)) < MOST * 2


async def _sent_until_cut(wire: Wire, piece: bytes = DATA) -> int:
    """Send on and on; tell how many bytes it took until the service had enough."""
    sent = 0
    while not wire.writer.transport.is_closing() and sent < MOST * 4:
        await wire.send(piece)
        sent += len(piece)
    return sent


class TestLongBody:
    """What is far longer than what comes with its head is received past the parser (receiving.py)."""

    @pytest.mark.parametrize("expects", [True, False])
    async def test_two_on_one_connection_and_what_follows_at_once(self, service: Service, *, expects: bool) -> None:
        async with service.wire() as wire:
            for data in (LONG, LONG[::-1]):
                path = await service.created()
                await wire.send(upload(path, f"Content-Length: {len(data)}", *([EXPECT] if expects else [])))
                assert not expects or await wire.is_invited()
                await wire.send(data, request("GET", path), request("GET", f"{path}/file"))
                assert [(await wire.answer())[0] for _ in range(2)] == [204, 200]
                assert (await wire.answer())[2] == data

    async def test_in_pieces_that_come_slowly(self) -> None:
        async with running(idle_seconds=0.5) as service:
            path = await service.created()
            async with service.wire() as wire:
                await wire.send(upload(path, f"Content-Length: {len(LONG)}"))
                for start in range(0, len(LONG), 300_000):
                    await wire.send(LONG[start : start + 300_000])
                    await asyncio.sleep(0.1)
                assert (await wire.answer())[0] == 204
            assert (await service.call("GET", f"{path}/file"))[1] == LONG

    async def test_one_that_stops_is_given_up(self) -> None:
        async with running(idle_seconds=0.2) as service, service.wire() as wire:
            path = await service.created()
            await wire.send(upload(path, f"Content-Length: {len(LONG)}"), LONG[:-1])
            assert (await wire.answer())[0] == 408
            await becomes(service, path, "queued")

    async def test_one_that_ends_early_is_no_image(self, service: Service) -> None:
        path = await service.created()
        async with service.wire() as wire:
            await wire.send(upload(path, f"Content-Length: {len(LONG)}"), LONG[:-1])
            await becomes(service, path, "saving")
            wire.writer.write_eof()
            await becomes(service, path, "queued")

    async def test_the_rest_of_one_that_nobody_wants_any_more_is_read_and_the_next_request_answered(self) -> None:
        async with running(lease_seconds=0.6) as service, service.wire() as wire:
            path = await service.created()
            await wire.send(upload(path, f"Content-Length: {len(LONG)}"), LONG[: len(LONG) // 2])
            await becomes(service, path, "saving")
            assert (await service.call("DELETE", path))[0] == 204
            assert (await wire.answer())[0] == 410
            await wire.send(LONG[len(LONG) // 2 :], request("GET", "/v2/images"))
            assert (await wire.answer())[0] == 200


class TestLies:
    """A body that is not what its headers say is 400, the image waits again, and nothing stays."""

    async def test_a_body_that_ends_early_is_no_image(self, service: Service) -> None:
        path = await service.created()
        async with service.wire() as wire:
            await wire.send(upload(path, f"Content-Length: {len(DATA) + 1}"), DATA)
            await becomes(service, path, "saving")
        await becomes(service, path, "queued")

    async def test_half_a_connection_is_an_early_end_too(self, service: Service) -> None:
        path = await service.created()
        async with service.wire() as wire:
            await wire.send(upload(path, CHUNKED), chunk(DATA))
            wire.writer.write_eof()
            await becomes(service, path, "queued")

    @pytest.mark.parametrize(
        "bad", [b"zz\r\n", b"-5\r\nxxxxx\r\n", b"5\r\nxxxxxxxx", b"ffffffffffffffffffff\r\n"], ids=range(4)
    )
    async def test_chunks_that_are_none_are_400_and_end_the_connection(self, service: Service, bad: bytes) -> None:
        path = await service.created()
        async with service.wire() as wire:
            await wire.send(upload(path, CHUNKED), chunk(DATA))
            await becomes(service, path, "saving")
            await wire.send(bad)
            assert (await wire.answer())[0] == 400
            assert b"HTTP/1.1 2" not in await wire.rest()
        await becomes(service, path, "queued")

    @pytest.mark.parametrize(
        "headers",
        [
            ("Content-Length: 5", "Content-Length: 6"),
            ("Content-Length: 5", CHUNKED),
            ("Content-Length: -1",),
            ("Content-Length: 1e3",),
            ("Content-Length: ",),
            ("Transfer-Encoding: gzip",),
            ("X-Long: " + "x" * 100_000,),
        ],
        ids=range(7),
    )
    async def test_headers_that_contradict_themselves_are_400(self, service: Service, headers: tuple[str, ...]) -> None:
        path = await service.created()
        async with service.wire() as wire:
            await wire.send(upload(path, *headers), b"xxxxx")
            assert (await wire.answer())[0] == 400
        assert await service.status(path) == "queued"

    async def test_more_bytes_than_the_length_are_another_request(self, service: Service) -> None:
        path = await service.created()
        async with service.wire() as wire:
            await wire.send(upload(path, "Content-Length: 5"))
            await becomes(service, path, "saving")
            await wire.send(b"12345GARBAGE\r\n\r\n")
            assert [(await wire.answer())[0] for _ in range(2)] == [204, 400]
        assert (await service.call("GET", f"{path}/file"))[1] == b"12345"

    async def test_a_body_that_comes_byte_by_byte_is_one_body(self, service: Service) -> None:
        path = await service.created()
        async with service.wire() as wire:
            await wire.send(upload(path, "Content-Length: 50"))
            for number in range(50):
                await wire.send(bytes([number]))
                await asyncio.sleep(0.002)
            assert (await wire.answer())[0] == 204
        assert (await service.call("GET", f"{path}/file"))[1] == bytes(range(50))

    async def test_an_upload_by_http_1_0_is_one(self, service: Service) -> None:
        path = await service.created()
        async with service.wire() as wire:
            await wire.send(upload(path, LENGTH, version="1.0"), DATA)
            assert (await wire.answer())[0] == 204
            assert await wire.rest() == b""

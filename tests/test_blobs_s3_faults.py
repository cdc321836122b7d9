"""What goes wrong between the service and S3 is an error in bounded time, in words that help and keep secrets."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from random import Random

import pytest

from drivers.blobs.options import BlobOptions
from drivers.blobs.registry import open_blobs
from drivers.blobs.resume import Interrupted
from drivers.blobs.s3.faults import UploadGone, fault
from drivers.blobs.s3.keys import MachineKeys
from drivers.blobs.s3.parts import MIB, MOST_PARTS, PART, cut, part_size
from drivers.blobs.s3.place import Keys, read_url
from drivers.blobs.s3.sigv4 import Call, signed
from drivers.errors import BlobExists, BlobNotFound, StoreError, StoreFull, StoreUnavailable
from tests.blob_conformance import pieces
from tests.s3 import everything
from tests.web_server import ScriptedServer, answer, scripted

CONTENT = Random(1).randbytes(3 * MIB)
SIZE = len(CONTENT)
IMPATIENT = BlobOptions(timeout=0.5)
HEAD = answer("200 OK", Content_Length=str(SIZE), ETag='"1"', Last_Modified="Thu, 01 Jan 2026 00:00:00 GMT")


def url_of(server: ScriptedServer) -> str:
    return f"s3://ann:hunter2@bucket/prefix?endpoint=http://127.0.0.1:{server.port}"


def part(start: int, end: int = SIZE, tag: str = '"1"') -> bytes:
    """Spell an answer that announces all from `start` on and ends before `end`."""
    headers = {"Content_Length": str(SIZE - start), "Content_Range": f"bytes {start}-{SIZE - 1}/{SIZE}", "ETag": tag}
    return answer("206 Partial", CONTENT[start:end], Last_Modified="Thu, 01 Jan 2026 00:00:00 GMT", **headers)


async def hang(head: str, writer: asyncio.StreamWriter) -> None:
    """Accept, and say nothing."""
    await asyncio.sleep(30)


async def test_a_server_that_hangs_is_unavailable_in_time() -> None:
    async with scripted(hang) as server, asyncio.timeout(20):
        store = await open_blobs(url_of(server), IMPATIENT)
        for attempt in everything(store):
            with pytest.raises(StoreUnavailable) as refusal:
                await attempt
            assert not any(word in str(refusal.value) for word in ("hunter2", "127.0.0.1", "bucket", "prefix"))
        await store.close()


async def test_a_server_that_is_away_is_unavailable() -> None:
    store = await open_blobs("s3://ann:hunter2@bucket?endpoint=http://127.0.0.1:1", IMPATIENT)
    for attempt in everything(store):
        with pytest.raises(StoreUnavailable):
            await attempt
    await store.close()


async def test_a_read_that_breaks_is_taken_up_where_it_broke() -> None:
    async with scripted(HEAD, part(0, MIB), part(MIB, 2 * MIB), part(2 * MIB)) as server:
        store = await open_blobs(url_of(server))
        reader = await store.open(store.locate("key"))
        assert b"".join([block async for block in reader.blocks(0, SIZE)]) == CONTENT
        await store.close()


async def test_a_read_that_breaks_again_and_again_ends_in_an_error() -> None:
    async with scripted(HEAD, part(0, MIB), part(MIB, MIB)) as server:
        store = await open_blobs(url_of(server), IMPATIENT)
        reader = await store.open(store.locate("key"))
        with pytest.raises(StoreUnavailable):
            _ = [block async for block in reader.blocks(0, SIZE)]
        await store.close()


async def test_what_may_pass_is_tried_again() -> None:
    away = answer("503 Slow Down", b"<Error><Code>SlowDown</Code></Error>")
    async with scripted(answer("404 None"), away, away, answer("200 OK")) as server:
        store = await open_blobs(url_of(server))
        await store.write(store.locate("key"), pieces(b"hello"))
        await store.close()
    assert [head.split()[0] for head in server.requests] == ["HEAD", "PUT", "PUT", "PUT"]


async def test_a_write_whose_answer_was_lost_is_not_taken_for_somebody_elses() -> None:
    taken = answer("412 Failed", b"<Error><Code>PreconditionFailed</Code></Error>")
    ours = answer("200 OK", ETag='"5d41402abc4b2a76b9719d911017c592"')
    async with scripted(answer("404 None"), b"", taken, ours) as server:
        store = await open_blobs(url_of(server))
        await store.write(store.locate("key"), pieces(b"hello"))
        with pytest.raises(BlobExists):
            await store.write(store.locate("key"), pieces(b"jello"))
        await store.close()


async def complete_slowly(head: str, writer: asyncio.StreamWriter) -> None:
    """Answer a complete after longer than other calls may take."""
    await asyncio.sleep(2.5)
    writer.write(answer("200 OK", b"<CompleteMultipartUploadResult/>"))
    await writer.drain()


async def test_a_server_may_take_its_time_to_put_parts_together() -> None:
    upload = b"<UploadId>1</UploadId>"
    listed = b"<R><Upload><Key>prefix/key</Key>%b<Initiated>2026-01-01T00:00:00.000Z</Initiated></Upload></R>" % upload
    tag = answer("200 OK", ETag='"96995b58d4cbf6aaf9041b4f00c7f6ae"')
    none = answer("404 None")
    steps = (none, answer("200 OK", b"<R>%b</R>" % upload), tag, answer("200 OK", listed), none, complete_slowly)
    async with scripted(*steps) as server:
        store = await open_blobs(url_of(server), BlobOptions(timeout=2))
        await store.write(store.locate("key"), pieces(bytes(PART), (PART,)))
        await store.close()
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    ("status", "code", "kind", "word"),
    [
        (400, "AuthorizationHeaderMalformed", StoreUnavailable, "region"),
        (400, "EntityTooLarge", StoreFull, "larger"),
        (400, "ExpiredToken", StoreUnavailable, "keys"),
        (403, "", StoreUnavailable, "keys"),
        (403, "AccessDenied", StoreUnavailable, "may do"),
        (403, "InvalidAccessKeyId", StoreUnavailable, "keys"),
        (403, "QuotaExceeded", StoreFull, "quota"),
        (403, "RequestTimeTooSkewed", StoreUnavailable, "clocks"),
        (403, "SignatureDoesNotMatch", StoreUnavailable, "keys"),
        (404, "", BlobNotFound, "no object"),
        (404, "NoSuchBucket", StoreUnavailable, "bucket"),
        (404, "NoSuchKey", BlobNotFound, "no object"),
        (404, "NoSuchUpload", UploadGone, "upload"),
        (409, "ConditionalRequestConflict", Interrupted, "now"),
        (412, "PreconditionFailed", BlobExists, "already"),
        (418, "Teapot", StoreUnavailable, "418 Teapot"),
        (500, "InternalError", Interrupted, "500"),
        (503, "SlowDown", Interrupted, "503"),
        (507, "", StoreFull, "room"),
        (507, "XMinioStorageFull", StoreFull, "room"),
    ],
)
def test_each_refusal_is_said_in_the_contracts_words(status: int, code: str, kind: type[StoreError], word: str) -> None:
    error = fault(status, f"<Error><Code>{code}</Code><Message>/secret</Message></Error>".encode() if code else b"")
    assert type(error) is kind
    assert word in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3://UPPER",
        "s3://b",
        "s3://ann@bucket",
        "s3://ann:@bucket",
        "s3://:hunter2@bucket",
        "s3://ann:hunter2@bucket/../other",
        "s3://ann:hunter2@bucket/a//b",
        "s3://ann:hunter2@bucket/a%20b",
        "s3://ann:hunter2@bucket?endpoint=rgw.example",
        "s3://ann:hunter2@bucket?endpoint=ftp://rgw.example",
        "s3://ann:hunter2@bucket?endpoint=https://rgw.example/path",
        "s3://ann:hunter2@bucket?endpoint=https://bob:secret@rgw.example",
        "s3://ann:hunter2@bucket?region=a/b",
        "s3://ann:hunter2@bucket?endpoit=https://rgw.example",
        "s3://ann:hun/ter2@bucket",
    ],
)
async def test_a_url_that_cannot_be_used_says_how_it_is_spelt_and_keeps_its_secret(url: str) -> None:
    with pytest.raises(StoreUnavailable, match="ACCESS_KEY:SECRET_KEY") as refusal:
        await open_blobs(url)
    assert not any(word in str(refusal.value) for word in ("hunter2", "ter2", "bob"))


def test_a_url_tells_the_place_and_the_keys() -> None:
    place, keys = read_url("s3://a%2Fb:c%3Ad%40e@bucket.example/pre/fix/?endpoint=https://rgw.example:8443/&region=x")
    assert place == ("bucket.example", "pre/fix", "https://rgw.example:8443", "x")
    assert keys == ("a/b", "c:d@e", None)
    assert "c:d" not in repr(keys)
    assert read_url("s3://bucket?region=eu-1")[0].endpoint == "https://s3.eu-1.amazonaws.com"


async def test_locations_hold_no_secret() -> None:
    store = await open_blobs("s3://ann:hunter2@bucket/prefix?endpoint=http://127.0.0.1:1")
    assert store.locate("key") == "s3://bucket/prefix/key"
    assert "hunter2" not in f"{store.properties} {vars(store)}"
    await store.close()


def test_a_request_is_signed_as_amazon_shows_it() -> None:
    """See "Examples: Signature Calculations" in Amazon S3's API reference, GET Bucket Lifecycle."""
    keys = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    call = Call("GET", "examplebucket.s3.amazonaws.com", "/", {"lifecycle": ""}, {})
    headers = signed(call, keys, "us-east-1", datetime(2013, 5, 24, tzinfo=UTC))
    assert headers["authorization"].endswith("fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")


async def test_the_machines_keys_are_used_when_the_url_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ann")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    assert await MachineKeys()() == Keys("ann", "hunter2", "token")
    async with scripted(answer("404 None"), answer("200 OK"), HEAD) as server:
        store = await open_blobs(url_of(server).replace("ann:hunter2@", ""))
        await store.write(store.locate("key"), pieces(b"hello"))
        assert await store.size(store.locate("key")) == SIZE
        await store.close()
    assert all("Credential=ann/" in head and "x-amz-security-token: token" in head for head in server.requests)


async def test_a_machine_without_keys_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(StoreUnavailable, match="names no keys"):
        await MachineKeys()()


@pytest.mark.parametrize("size", [None, 5 << 40])
def test_ten_thousand_parts_hold_five_tebibytes(size: int | None) -> None:
    done = count = 0
    while done < 5 << 40:
        done += part_size(done, size)
        count += 1
    assert count <= MOST_PARTS


@pytest.mark.parametrize("size", [None, 0, PART, 78 << 30])
def test_parts_of_usual_objects_are_small(size: int | None) -> None:
    assert part_size(0, size) == PART


@pytest.mark.parametrize(
    "lengths", [[], [0], [PART], [PART - 1], [PART, 1], [3 * PART + 5], [MIB] * 17, [PART + 1] * 3]
)
async def test_parts_hold_all_and_only_the_last_is_smaller(lengths: list[int]) -> None:
    blocks = [bytes([number]) * length for number, length in enumerate(lengths)]

    async def given() -> AsyncIterator[bytes]:
        for block in blocks:
            yield block

    parts = [b"".join(part) async for part in cut(given(), None)]
    assert b"".join(parts) == b"".join(blocks)
    assert all(len(part) == PART for part in parts[:-1])
    assert len(parts) == max(1, -(-sum(lengths) // PART))


CLOSED_AT_ONCE = """
import asyncio
from drivers.blobs.registry import open_blobs
from drivers.errors import StoreUnavailable

async def main() -> None:
    store = await open_blobs("s3://ann:hunter2@bucket?endpoint=http://127.0.0.1:1")
    try:
        await store.size(store.locate("key"))
    except StoreUnavailable:
        await store.close()

asyncio.run(main())
"""


def test_a_process_that_ends_right_after_closing_does_not_abort() -> None:
    runs = [subprocess.run([sys.executable, "-c", CLOSED_AT_ONCE], check=False).returncode for _ in range(3)]
    assert runs == [0, 0, 0]

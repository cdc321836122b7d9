"""Download over HTTP: whole, in parts, on conditions, and to whom (reference section 2.2, RFC 9110, RFC 9530)."""

import base64
import hashlib
import os
from pathlib import Path

import pytest

from service.keys import TOOLS
from service.settings import Secret
from tests.callers import by
from tests.conformance import NEVER
from tests.conftest import Client, Connect
from tests.imports import DIRECT, imported, staged
from tests.transfers import DATA, begun, created, uploaded

SIZE = len(DATA)
TAG = f'"{hashlib.sha512(DATA).hexdigest()}"'


@pytest.fixture
async def client(connect: Connect, blobs_url: Secret) -> Client:
    """Give a client of the service on each kind of store of data."""
    return await connect(stores=blobs_url)


@pytest.fixture
async def path(client: Client) -> str:
    """Give the path of an image's data."""
    return f"{await uploaded(client)}/file"


class TestWhole:
    """200, all of the data, and what is known of it."""

    @pytest.mark.parametrize("accept", ["", "application/json", "application/octet-stream"])
    async def test_all_of_the_data_comes_as_octets_whatever_is_accepted(
        self, client: Client, path: str, accept: str
    ) -> None:
        headers = by("ann", Accept=accept, Content_Type="application/octet-stream")  # as glanceclient sends it
        async with client.get(path, headers=headers) as response:
            assert response.status == 200
            assert await response.read() == DATA
            assert response.headers["Content-Type"] == "application/octet-stream"
            assert response.headers["Content-Length"] == str(SIZE)
            assert "Content-Range" not in response.headers
            assert "x-openstack-request-id" in response.headers

    async def test_the_headers_tell_its_hashes(self, client: Client, path: str) -> None:
        async with client.get(path, headers=by("ann")) as response:
            assert response.headers["Content-MD5"] == hashlib.md5(DATA).hexdigest()
            digest = base64.b64encode(hashlib.sha512(DATA).digest()).decode()
            assert response.headers["Repr-Digest"] == f"sha-512=:{digest}:"
            assert (response.headers["ETag"], response.headers["Accept-Ranges"]) == (TAG, "bytes")
            assert response.headers["X-Content-Type-Options"] == "nosniff"

    async def test_of_a_hash_that_rfc_9530_does_not_know_no_digest_is_told(self, connect: Connect) -> None:
        client = await connect(hashing_algorithm="sha3_512")
        async with client.get(f"{await uploaded(client)}/file", headers=by("ann")) as response:
            assert response.status == 200
            assert "Repr-Digest" not in response.headers
            assert response.headers["ETag"] == f'"{hashlib.sha3_512(DATA).hexdigest()}"'

    async def test_head_tells_the_same_and_sends_nothing(self, client: Client, path: str) -> None:
        async with client.get(path, headers=by("ann")) as whole, client.head(path, headers=by("ann")) as head:
            assert (head.status, await head.read()) == (200, b"")
            own = {"Date", "x-openstack-request-id"}
            assert {name: value for name, value in head.headers.items() if name not in own} == {
                name: value for name, value in whole.headers.items() if name not in own
            }

    async def test_head_knows_no_ranges(self, client: Client, path: str) -> None:
        async with client.head(path, headers=by("ann", Range="bytes=0-9")) as response:
            assert (response.status, response.headers["Content-Length"]) == (200, str(SIZE))

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    async def test_an_image_without_data_is_204_whatever_part_is_asked_for(self, client: Client, method: str) -> None:
        path = await created(client)
        for headers in ({}, {"Range": "bytes=0-9"}, {"Range": "junk"}, {"Content_Range": "bytes */1"}):
            async with client.request(method, f"{path}/file", headers=by("ann", **headers)) as response:
                assert (response.status, await response.read()) == (204, b"")

    @pytest.mark.parametrize("to", ["file", "stage"])
    async def test_data_that_is_still_on_its_way_is_204(self, client: Client, to: str) -> None:
        path = await created(client)
        steps, answer = await begun(client, path, to)
        async with client.get(f"{path}/file", headers=by("ann")) as response:
            assert response.status == 204
        steps.end()
        assert await answer == 204

    async def test_a_body_is_400(self, client: Client, path: str) -> None:
        async with client.get(path, data=b"x", headers=by("ann")) as response:
            assert response.status == 400


class TestRanges:
    """206 for a part that there is; 416 for one that there is not, and 400 for several."""

    @pytest.mark.parametrize(
        ("asked", "first", "last"),
        [
            ("bytes=0-0", 0, 0),
            ("bytes=0-99", 0, 99),
            ("bytes=100-199", 100, 199),
            (f"bytes=0-{SIZE - 1}", 0, SIZE - 1),
            (f"bytes=0-{SIZE}", 0, SIZE - 1),
            ("bytes=0-9999999999999999999", 0, SIZE - 1),
            (f"bytes=0-{'9' * 5000}", 0, SIZE - 1),
            (f"bytes={'0' * 30}1-5", 1, 5),
            ("bytes=-99999999999999999999", 0, SIZE - 1),
            (f"bytes={SIZE - 1}-", SIZE - 1, SIZE - 1),
            ("bytes=1048576-1048577", 2**20, 2**20 + 1),
            ("bytes=5-", 5, SIZE - 1),
            ("bytes=-7", SIZE - 7, SIZE - 1),
            (f"bytes=-{SIZE * 2}", 0, SIZE - 1),
            ("bytes=-0", 0, SIZE - 1),
            ("BYTES=0-9", 0, 9),
            ("bytes = 0-9", 0, 9),
            (" bytes=0 - 9 ", 0, 9),
        ],
    )
    async def test_a_part_is_206(self, client: Client, path: str, asked: str, first: int, last: int) -> None:
        async with client.get(path, headers=by("ann", Range=asked)) as response:
            assert response.status == 206
            assert await response.read() == DATA[first : last + 1]
            assert response.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
            assert response.headers["Content-Length"] == str(last - first + 1)
            # Those of the whole image, as Glance tells it.
            assert response.headers["Content-MD5"] == hashlib.md5(DATA).hexdigest()
            assert response.headers["ETag"] == TAG

    @pytest.mark.parametrize(
        "asked",
        [
            f"bytes={SIZE}-",
            f"bytes={SIZE}-{SIZE + 1}",
            "bytes=9-8",
            "bytes=-",
            "bytes=",
            "bytes",
            "bytes=a-b",
            "bytes=1--2",
            "bytes=+1-2",
            "bytes=0x1-0x2",
            "bytes=99999999999999999999-",
            f"bytes={'9' * 5000}-",
            "items=0-9",
            "bytes=\u0660-\u0669",
            "",
        ],
    )
    async def test_what_is_no_part_is_416(self, client: Client, path: str, asked: str) -> None:
        async with client.get(path, headers=by("ann", Range=asked)) as response:
            assert response.status == 416
            assert "Content-Range" not in response.headers

    async def test_several_parts_are_400(self, client: Client, path: str) -> None:
        async with client.get(path, headers=by("ann", Range="bytes=0-9,20-29")) as response:
            assert response.status == 400

    @pytest.mark.parametrize("asked", ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"])
    async def test_of_no_bytes_there_is_no_part(self, client: Client, asked: str) -> None:
        path = await uploaded(client, b"")
        async with client.get(f"{path}/file", headers=by("ann", Range=asked)) as response:
            assert response.status == 416

    @pytest.mark.parametrize(
        ("asked", "status"),
        [
            ("bytes 0-9/*", 206),
            (f"bytes 0-9/{SIZE}", 206),
            ("bytes 0-9/7", 206),
            (f"bytes 0-{SIZE}/{SIZE}", 206),
            (f"bytes 0-{SIZE}/*", 416),
            (f"bytes {SIZE}-{SIZE + 1}/*", 416),
            (f"bytes {SIZE}-{SIZE + 1}/{SIZE}", 416),
            (f"bytes */{SIZE}", 416),
            ("bytes 9-0/*", 416),
            ("junk", 416),
        ],
    )
    async def test_a_content_range_of_the_request_is_understood_as_glance_does(
        self, client: Client, path: str, asked: str, status: int
    ) -> None:
        async with client.get(path, headers=by("ann", Content_Range=asked)) as response:
            assert response.status == status
            if status == 206:
                assert DATA.startswith(await response.read())

    async def test_range_counts_before_it(self, client: Client, path: str) -> None:
        async with client.get(path, headers=by("ann", Range="bytes=1-2", Content_Range="bytes 5-6/*")) as response:
            assert response.headers["Content-Range"] == f"bytes 1-2/{SIZE}"


class TestConditions:
    """The data is named by its hash, whatever happens to the record."""

    @pytest.mark.parametrize("condition", [TAG, f"W/{TAG}", f'"other", {TAG}', "*"])
    async def test_data_that_is_there_already_is_304(self, client: Client, path: str, condition: str) -> None:
        async with client.get(path, headers=by("ann", If_None_Match=condition)) as response:
            assert (response.status, response.headers["ETag"], await response.read()) == (304, TAG, b"")

    async def test_other_data_is_sent(self, client: Client, path: str) -> None:
        async with client.get(path, headers=by("ann", If_None_Match='"other"')) as response:
            assert (response.status, await response.read()) == (200, DATA)

    @pytest.mark.parametrize(("condition", "status"), [(TAG, 200), ("*", 200), ('"other"', 412), (f"W/{TAG}", 412)])
    async def test_if_match_insists_on_the_data(self, client: Client, path: str, condition: str, status: int) -> None:
        async with client.get(path, headers=by("ann", If_Match=condition)) as response:
            assert response.status == status

    @pytest.mark.parametrize(
        ("condition", "status"),
        [(TAG, 206), ('"other"', 200), (f"W/{TAG}", 200), ("Wed, 28 Jan 2026 12:58:17 GMT", 200)],
    )
    async def test_if_range_gives_all_unless_the_part_is_of_the_same_data(
        self, client: Client, path: str, condition: str, status: int
    ) -> None:
        async with client.get(path, headers=by("ann", Range="bytes=0-9", If_Range=condition)) as response:
            assert response.status == status
            assert await response.read() == (DATA[:10] if status == 206 else DATA)

    async def test_a_change_of_the_record_leaves_the_tag(self, client: Client, path: str) -> None:
        assert (await client.put(path.replace("file", "tags/new"), headers=by("ann"))).status == 204
        async with client.get(path, headers=by("ann", If_None_Match=TAG)) as response:
            assert response.status == 304


class TestWho:
    """Whoever sees the image, has the role, and finds it active."""

    async def test_an_image_that_is_not_there_or_not_seen_is_404(self, client: Client) -> None:
        path = await uploaded(client, visibility="private")
        for url, name in ((f"/v2/images/{NEVER}/file", "ann"), (f"{path}/file", "bob")):
            async with client.get(url, headers=by(name)) as response:
                assert response.status == 404

    async def test_a_mere_reader_is_403(self, client: Client, path: str) -> None:
        async with client.get(path, headers=by("rita")) as response:
            assert response.status == 403

    async def test_other_projects_have_what_is_shown_to_them(self, client: Client) -> None:
        path = await uploaded(client, visibility="community")
        async with client.get(f"{path}/file", headers=by("bob")) as response:
            assert (response.status, await response.read()) == (200, DATA)

    async def test_data_of_a_deactivated_image_is_the_administrators(self, client: Client, path: str) -> None:
        deactivate = path.replace("file", "actions/deactivate")
        assert (await client.post(deactivate, headers=by("admin"))).status == 204
        for name, status in (("ann", 403), ("rita", 403), ("bob", 404), ("admin", 200)):
            async with client.get(path, headers=by(name)) as response:
                assert response.status == status, name

    async def test_prefer_needs_several_stores(self, client: Client, path: str) -> None:
        async with client.get(path, params={"prefer": "fast"}, headers=by("ann")) as response:
            assert response.status == 400


async def test_data_that_no_store_has_any_more_is_404_and_not_an_empty_answer(client: Client, path: str) -> None:
    assert client.app is not None
    blobs = client.app[TOOLS].stores.default.blobs
    async for blob in blobs.list():
        await blobs.delete(blob.url)
    async with client.get(path, headers=by("ann")) as response:
        assert response.status == 404


@pytest.mark.parametrize("asked", [{}, {"Range": "bytes=0-9"}])
async def test_data_that_was_cut_short_in_its_store_is_not_sent_as_if_it_were_whole(
    connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture, asked: dict[str, str]
) -> None:
    client = await connect(stores=Secret(f"a=file://{tmp_path}/a?weight=1,b=file://{tmp_path}/b"))
    image = await uploaded(client)
    (object_,) = (path for path in (tmp_path / "a").iterdir() if path.is_file())
    os.truncate(object_, 100)
    async with client.get(f"{image}/file", headers=by("ann", **asked)) as response:
        assert response.status == 503
        assert f"The object has 100 bytes, and the image {SIZE}" in await response.text()
    assert f"Image {image.rpartition('/')[2]} cannot be read from store a" in caplog.text


async def test_where_one_store_has_it_cut_short_another_one_sends_it(connect: Connect, tmp_path: Path) -> None:
    client = await connect(stores=Secret(f"a=file://{tmp_path}/a?weight=1,b=file://{tmp_path}/b"))
    image = await staged(client)
    await imported(client, image, method=DIRECT, all_stores=True)
    (object_,) = (path for path in (tmp_path / "a").iterdir() if path.is_file())
    os.truncate(object_, 100)
    async with client.get(f"{image}/file", headers=by("ann")) as response:
        assert (response.status, await response.read()) == (200, DATA)

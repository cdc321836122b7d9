"""Upload over HTTP: what is answered, in which order, and that a failure leaves nothing (reference section 2.2)."""

import hashlib
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from multidict import CIMultiDict

from service.settings import Secret
from tests.callers import by
from tests.conformance import NEVER
from tests.conftest import TWO_STORES, Client, Connect
from tests.transfers import DATA, OCTETS, begun, created, is_untouched, objects, put, shown, uploaded

NOTHING = hashlib.sha512(b"").hexdigest()


@pytest.fixture
async def client(connect: Connect, blobs_url: Secret) -> Client:
    """Give a client of the service on each kind of store of data."""
    return await connect(stores=blobs_url)


class TestSuccess:
    """204, and the image is active at once."""

    async def test_an_upload_makes_the_image_active_and_tells_what_its_data_is(self, client: Client) -> None:
        path = await created(client)
        async with client.put(f"{path}/file", data=io.BytesIO(DATA), headers=by("ann", **OCTETS)) as response:
            assert (response.status, await response.read()) == (204, b"")
            assert "x-openstack-request-id" in response.headers
        image = await shown(client, path)
        assert {name: image[name] for name in ("status", "size", "virtual_size", "checksum")} == {
            "status": "active",
            "size": len(DATA),
            "virtual_size": len(DATA),
            "checksum": hashlib.md5(DATA).hexdigest(),
        }
        assert (image["os_hash_algo"], image["os_hash_value"]) == ("sha512", hashlib.sha512(DATA).hexdigest())
        assert await objects(client) == [DATA]

    @pytest.mark.parametrize("algorithm", ["sha256", "sha3_512", "blake2b"])
    async def test_another_algorithm_hashes_new_data(self, connect: Connect, algorithm: Any) -> None:
        client = await connect(hashing_algorithm=algorithm)
        image = await shown(client, await uploaded(client))
        assert (image["os_hash_algo"], image["os_hash_value"]) == (algorithm, hashlib.new(algorithm, DATA).hexdigest())

    @pytest.mark.parametrize("size", [1, 2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20])
    async def test_data_of_any_length_is_kept_whole(self, client: Client, size: int) -> None:
        data = (DATA * 3)[:size]
        image = await shown(client, await uploaded(client, data))
        assert (image["size"], image["checksum"]) == (size, hashlib.md5(data).hexdigest())
        assert await objects(client) == [data]

    async def test_a_chunked_body_needs_no_size(self, client: Client) -> None:
        path = await created(client)
        steps, answer = await begun(client, path)
        steps.send(b"and more").end()
        assert await answer == 204
        assert await objects(client) == [DATA + b"and more"]

    async def test_a_chunked_body_may_come_with_its_size(self, client: Client) -> None:
        path = await created(client)
        steps, answer = await begun(client, path, x_openstack_image_size=str(len(DATA)))
        steps.end()
        assert await answer == 204

    async def test_no_bytes_are_data_too_as_nova_sends_them_for_snapshots_of_volumes(self, client: Client) -> None:
        path = await created(client)
        assert await put(client, path, b"") == 204
        image = await shown(client, path)
        assert (image["status"], image["size"], image["virtual_size"]) == ("active", 0, None)
        assert (image["checksum"], image["os_hash_value"]) == (hashlib.md5(b"").hexdigest(), NOTHING)
        async with client.get(f"{path}/file", headers=by("ann")) as response:
            assert (response.status, await response.read()) == (200, b"")

    @pytest.mark.parametrize("accept", ["", "application/json", "*/*"])
    async def test_accept_changes_nothing(self, client: Client, accept: str) -> None:
        assert await put(client, await created(client), Accept=accept) == 204

    async def test_the_content_type_may_have_parameters(self, client: Client) -> None:
        assert await put(client, await created(client), Content_Type="application/octet-stream; charset=utf-8") == 204

    async def test_a_store_that_is_named_is_nothing_where_there_is_one_only(self, client: Client) -> None:
        assert await put(client, await created(client), X_Image_Meta_Store="nowhere") == 204


class TestRefusal:
    """What is looked at in which order, and that nothing of the data is kept."""

    @pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/octet-stream2", ""])
    async def test_another_content_type_is_415(self, client: Client, content_type: str) -> None:
        path = await created(client)
        assert await put(client, path, Content_Type=content_type) == 415
        assert await is_untouched(client, path)

    async def test_no_content_type_is_415(self, client: Client) -> None:
        path = await created(client)
        skip = ["Content-Type"]
        async with client.put(f"{path}/file", data=b"x", headers=by("ann"), skip_auto_headers=skip) as response:
            assert response.status == 415

    async def test_compressed_data_is_415_and_says_how_to_send_it(self, client: Client) -> None:
        path = await created(client)
        headers = by("ann", **OCTETS, Content_Encoding="gzip")
        async with client.put(f"{path}/file", data=b"x", headers=headers) as response:
            assert (response.status, response.headers["Accept-Encoding"]) == (415, "identity")
        assert await is_untouched(client, path)

    async def test_no_line_of_content_encoding_goes_unseen(self, client: Client) -> None:
        path = await created(client)
        lines = [("Content-Encoding", "identity"), ("Content-Encoding", "gzip")]
        headers = CIMultiDict([*by("ann", **OCTETS).items(), *lines])
        async with client.put(f"{path}/file", data=b"x", headers=headers) as response:
            assert response.status == 415

    async def test_a_part_of_the_data_is_not_taken_for_the_whole(self, client: Client) -> None:
        path = await created(client)
        assert await put(client, path, Content_Range="bytes 0-9/1000") == 400
        assert await is_untouched(client, path)

    @pytest.mark.parametrize("size", ["many", "1.5", "-1", "0x10", "", "9" * 20, "\u0661\u0662"])
    async def test_a_size_that_is_no_number_is_400(self, client: Client, size: str) -> None:
        path = await created(client)
        assert await put(client, path, x_openstack_image_size=size) == 400
        assert await is_untouched(client, path)

    @pytest.mark.parametrize("told", [len(DATA) - 1, len(DATA) + 1, 0])
    async def test_another_size_than_told_is_400_and_the_upload_can_be_tried_again(
        self, client: Client, told: int
    ) -> None:
        path = await created(client)
        assert await put(client, path, _chunked(DATA), x_openstack_image_size=str(told)) == 400
        assert await is_untouched(client, path)
        assert await put(client, path) == 204

    async def test_a_told_size_that_contradicts_the_content_length_is_400_at_once(self, client: Client) -> None:
        path = await created(client)
        assert await put(client, path, x_openstack_image_size="5") == 400
        assert await is_untouched(client, path)

    @pytest.mark.parametrize("field", ["disk_format", "container_format"])
    async def test_without_its_formats_an_image_takes_no_data(self, client: Client, field: str) -> None:
        formats: dict[str, Any] = {field: None}
        path = await created(client, **formats)
        async with client.put(f"{path}/file", data=b"x", headers=by("ann", **OCTETS)) as response:
            assert response.status == 400
            assert f"Property {field} must be set prior to saving data." in await response.text()

    async def test_an_image_that_is_not_there_or_not_seen_is_404(self, client: Client) -> None:
        assert await put(client, f"/v2/images/{NEVER}") == 404
        path = await created(client, visibility="private")
        assert await put(client, path, name="bob") == 404

    async def test_one_that_is_seen_but_not_owned_is_403(self, client: Client) -> None:
        path = await created(client, visibility="community")
        assert await put(client, path, name="bob") == 403
        assert await put(client, path, name="rita") == 403
        assert await is_untouched(client, path)

    async def test_an_image_that_has_data_is_409_and_keeps_it(self, client: Client) -> None:
        path = await uploaded(client)
        async with client.put(f"{path}/file", data=b"x", headers=by("ann", **OCTETS)) as response:
            assert response.status == 409
            assert "Image status transition from active to saving is not allowed" in await response.text()
        assert await objects(client) == [DATA]

    async def test_of_two_faults_the_earlier_looked_at_is_told(self, connect: Connect) -> None:
        client = await connect(stores=TWO_STORES)
        bad: dict[str, str] = {}
        for status, fault in (
            (403, {"name": "bob"}),
            (400, {"X_Image_Meta_Store": "nowhere"}),
            (400, {"x_openstack_image_size": "many"}),
            (415, {"Content_Type": "text/plain"}),
        ):
            bad |= fault
            path = await uploaded(client, visibility="community")
            assert await put(client, path, **bad) == status
        assert await put(client, f"/v2/images/{NEVER}", X_Image_Meta_Store="nowhere") == 400

    async def test_data_over_the_cap_is_413_known_or_not(self, connect: Connect, blobs_url: Secret) -> None:
        client = await connect(stores=blobs_url, image_size_cap=len(DATA) - 1)
        path = await created(client)
        assert await put(client, path) == 413
        assert await put(client, path, _chunked(DATA)) == 413
        assert await is_untouched(client, path)
        assert await put(client, path, DATA[:-1]) == 204


async def _chunked(data: bytes) -> AsyncIterator[bytes]:
    yield data

"""Version discovery (reference section 1), health, and the schema of images."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from drivers.errors import SchemaTooOld
from drivers.memory import MemoryStore
from drivers.protocol import ImageStore
from service.addressing import MINORS
from service.keys import DRAINING
from tests.callers import by
from tests.conformance import ONE, full_image
from tests.conftest import TWO_STORES, Client, Connect


@pytest.fixture
def store_url() -> str:
    """None of this asks a driver for more than it holds, so one of them will do."""
    return "memory://"


async def listed(client: Client, path: str, status: int, **headers: str) -> list[dict[str, Any]]:
    response = await client.get(path, headers=headers)
    assert response.status == status
    assert response.headers["Content-Type"] == "application/json"
    assert "x-openstack-request-id" not in response.headers
    versions: list[dict[str, Any]] = (await response.json())["versions"]
    return versions


async def test_the_root_is_a_choice_and_versions_is_an_answer(client: Client) -> None:
    choice = await listed(client, "/", 300)
    for path in ("/versions", "/versions/", "/versions/v2.0/x"):
        assert await listed(client, path, 200) == choice


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PROPFIND"])
async def test_the_root_answers_any_method(client: Client, method: str) -> None:
    assert (await client.request(method, "/", data=b"{}")).status == 300


@pytest.mark.parametrize(
    "path", ["/v1/images", "/v3", "/v10", "/va.1/images", "/images", "/v2.18/images", "/v2.13/images", "/x/y", "/v"]
)
async def test_what_is_no_version_of_ours_gets_the_list(client: Client, path: str) -> None:
    await listed(client, path, 300)


async def test_an_unknown_version_by_accept_gets_the_list(client: Client) -> None:
    await listed(client, f"/images/{ONE}", 300, Accept="application/vnd.openstack.images-v9")


async def test_every_entry_has_id_status_and_link(client: Client) -> None:
    base = str(client.make_url("/v2/"))
    versions = await listed(client, "/", 300)
    assert [version.pop("id") for version in versions] == [minor for minor, needs in MINORS.items() if not needs]
    assert versions[0] == {"status": "CURRENT", "links": [{"rel": "self", "href": base}]}
    assert all(version == versions[0] | {"status": "SUPPORTED"} for version in versions[1:])


async def test_minors_of_several_stores_are_listed_and_accepted_with_them(connect: Connect) -> None:
    client = await connect(stores=TWO_STORES)
    assert [version["id"] for version in await listed(client, "/", 300)] == [
        minor for minor, needs in MINORS.items() if needs != "cache"
    ]
    assert (await client.get("/v2.13/schemas/image", headers=by("ann"))).status == 200


async def test_minors_of_the_cache_are_listed_and_accepted_with_it(connect: Connect, tmp_path: Path) -> None:
    client = await connect(image_cache_dir=str(tmp_path / "cache"))
    ids = "2.18 2.17 2.16 2.15 2.14 2.9 2.7 2.6 2.5 2.4 2.3 2.2 2.1 2.0"
    assert [version["id"] for version in await listed(client, "/", 300)] == [f"v{minor}" for minor in ids.split()]
    assert (await listed(client, "/", 300))[0]["status"] == "CURRENT"
    for minor in ("2.14", "2.16", "2.18"):
        assert (await client.get(f"/v{minor}/schemas/image", headers=by("ann"))).status == 200
    client = await connect(image_cache_dir=str(tmp_path / "cache"), stores=TWO_STORES)
    assert [version["id"] for version in await listed(client, "/", 300)] == list(MINORS)


async def test_links_lead_to_the_public_endpoint(connect: Connect) -> None:
    client = await connect(public_endpoint="https://cloud.example/image/")
    assert (await listed(client, "/", 300))[0]["links"][0]["href"] == "https://cloud.example/image/v2/"


async def test_a_bare_version_leads_to_its_slash_and_no_further(client: Client) -> None:
    response = await client.get("/v2", headers=by("ann"), allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (302, str(client.make_url("/v2/")))
    assert (await client.get("/v2/", headers=by("ann"))).status == 404


class TestSchema:
    """`GET /v2/schemas/image` (reference section 2.12)."""

    async def schema(self, client: Client) -> dict[str, Any]:
        response = await client.get("/v2/schemas/image", headers=by("nobody"))
        assert response.status == 200
        schema: dict[str, Any] = await response.json()
        return schema

    async def test_it_names_exactly_the_base_fields(self, client: Client) -> None:
        names = (
            "checksum container_format created_at direct_url disk_format file id locations min_disk min_ram name"
            " os_hash_algo os_hash_value os_hidden owner protected schema self size status stores tags updated_at"
            " virtual_size visibility"
        )
        schema = await self.schema(client)
        assert sorted(schema["properties"]) == names.split()
        assert (schema["name"], schema["additionalProperties"]) == ("image", {"type": "string"})

    async def test_it_marks_what_is_read_only(self, client: Client) -> None:
        names = (
            "checksum created_at direct_url file os_hash_algo os_hash_value schema self size status stores"
            " updated_at virtual_size"
        )
        properties = (await self.schema(client))["properties"]
        assert sorted(name for name, field in properties.items() if field.get("readOnly")) == names.split()

    async def test_the_formats_are_the_operators(self, connect: Connect) -> None:
        schema = await self.schema(await connect(disk_formats=("raw", "gpt")))
        assert schema["properties"]["disk_format"]["enum"] == [None, "raw", "gpt"]
        assert schema["properties"]["container_format"]["enum"][:2] == [None, "ami"]

    async def test_an_image_is_valid_by_it(self, connect: Connect, store: ImageStore) -> None:
        await store.add(full_image())
        client = await connect(show_multiple_locations=True, show_image_direct_url=True, stores=TWO_STORES)
        response = await client.get(f"/v2/images/{ONE}", headers=by("admin"))
        jsonschema.validate(await response.json(), await self.schema(client))

    async def test_an_unknown_name_is_not_found(self, client: Client) -> None:
        assert (await client.get("/v2/schemas/nothing", headers=by("ann"))).status == 404


class Old(MemoryStore):
    """A store whose schema is too old."""

    async def check(self) -> None:
        raise SchemaTooOld("run `vitrine migrate`")


class TestHealth:
    """Probes need no token and tell alive from ready."""

    @pytest.mark.parametrize("path", ["/healthcheck", "/livez", "/readyz"])
    async def test_a_healthy_service_says_so(self, client: Client, path: str) -> None:
        response = await client.get(path)
        assert (response.status, await response.text(), response.content_type) == (200, "OK", "text/plain")

    async def test_a_draining_service_lives_but_is_not_ready(self, client: Client) -> None:
        client.server.app[DRAINING].set()  # type: ignore[attr-defined]
        assert (await client.get("/livez")).status == 200
        assert (await client.get("/readyz")).status == 503

    class TestTooOld:
        """With a database that nobody migrated."""

        @pytest.fixture
        async def store(self) -> ImageStore:
            return Old()

        async def test_a_schema_that_is_too_old_makes_unready_and_names_the_remedy(self, client: Client) -> None:
            response = await client.get("/readyz")
            assert response.status == 503
            assert "vitrine migrate" in await response.text()

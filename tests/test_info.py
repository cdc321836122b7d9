"""What the service tells of itself (reference section 2.9); `/info/usage` is in `test_limits`."""

import pytest

from service.settings import Secret
from tests.callers import by
from tests.conftest import TWO_STORES, Client, Connect

STORES = ["/v2/info/stores", "/v2/info/stores/detail"]


@pytest.fixture
def store_url() -> str:
    """Nothing here is stored, so one driver will do."""
    return "memory://"


@pytest.mark.parametrize("methods", [("web-download", "glance-direct"), ()])
async def test_the_enabled_import_methods_are_announced_in_their_order(
    connect: Connect, methods: tuple[str, ...]
) -> None:
    client = await connect(enabled_import_methods=methods)
    response = await client.get("/v2/info/import", headers=by("nobody"))
    assert await response.json() == {
        "import-methods": {"description": "Import methods available.", "type": "array", "value": list(methods)}
    }
    created = await client.post("/v2/images", json={}, headers=by("ann"))
    assert created.headers.get("OpenStack-image-import-methods") == (",".join(methods) or None)


@pytest.mark.parametrize("path", STORES)
@pytest.mark.parametrize("name", ["ann", "admin"])
async def test_a_store_without_a_name_is_not_listed(client: Client, path: str, name: str) -> None:
    assert (await client.get(path, headers=by(name))).status == 404


async def test_anybody_may_list_the_stores_and_only_who_the_policy_lets_their_configuration(connect: Connect) -> None:
    client = await connect(stores=Secret(f"{TWO_STORES.reveal()},web=http://"))
    brief = [
        {"id": "fast", "description": "Quick", "default": "true"},
        {"id": "slow"},
        {"id": "web", "read-only": "true"},
    ]
    response = await client.get(STORES[0], headers=by("nobody"))
    assert await response.json() == {"stores": brief}
    assert (await client.get(STORES[1], headers=by("ann"))).status == 403
    response = await client.get(STORES[1], headers=by("admin"))
    configured = [(store["id"], store["type"], store["weight"]) for store in (await response.json())["stores"]]
    assert configured == [("fast", "memory", 100), ("slow", "memory", 50), ("web", "http", 0)]


async def test_a_new_image_tells_its_owner_which_stores_there_are(connect: Connect) -> None:
    client = await connect(stores=TWO_STORES)
    created = await client.post("/v2/images", json={}, headers=by("ann"))
    assert created.headers["OpenStack-image-store-ids"] == "fast,slow"


@pytest.mark.parametrize("path", ["/v2/info/import", *STORES, "/v2/info/usage"])
async def test_they_can_only_be_read(client: Client, path: str) -> None:
    response = await client.post(path, headers=by("admin"))
    assert (response.status, response.headers["Allow"]) == (405, "GET")

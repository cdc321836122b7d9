"""What the service tells of itself (reference section 2.9); `/info/usage` is in `test_limits`."""

import pytest

from tests.callers import by
from tests.conftest import TWO_STORES, Client, Connect

STORES = ["/v2/info/stores", "/v2/info/stores/detail"]


@pytest.fixture
def store_url() -> str:
    """Nothing here is stored, so one driver will do."""
    return "memory://"


async def test_no_import_method_is_announced_before_there_is_one(client: Client) -> None:
    response = await client.get("/v2/info/import", headers=by("nobody"))
    assert await response.json() == {
        "import-methods": {"description": "Import methods available.", "type": "array", "value": []}
    }


@pytest.mark.parametrize("path", STORES)
@pytest.mark.parametrize("name", ["ann", "admin"])
async def test_a_store_without_a_name_is_not_listed(client: Client, path: str, name: str) -> None:
    assert (await client.get(path, headers=by(name))).status == 404


async def test_anybody_may_list_the_stores_and_only_who_the_policy_lets_their_configuration(connect: Connect) -> None:
    client = await connect(stores=TWO_STORES)
    for path, name, status in ((STORES[0], "nobody", 200), (STORES[1], "ann", 403), (STORES[1], "admin", 200)):
        response = await client.get(path, headers=by(name, Accept="application/json"))
        assert response.status == status
        assert status == 403 or await response.json() == {"stores": []}


@pytest.mark.parametrize("path", ["/v2/info/import", *STORES, "/v2/info/usage"])
async def test_they_can_only_be_read(client: Client, path: str) -> None:
    response = await client.post(path, headers=by("admin"))
    assert (response.status, response.headers["Allow"]) == (405, "GET")

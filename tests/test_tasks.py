"""The tasks API for administrators, and the tasks of an image (reference section 2.10), on both drivers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jsonschema import Draft7Validator

from drivers.claims import Effects
from drivers.tasks import Task
from service.keys import TOOLS
from tests.callers import by
from tests.conftest import Client, Connect
from tests.imports import LOOPBACK, serving_data, tasks_of
from tests.transfers import DATA, created, shown

ENDED = timedelta(hours=48)


def an_id(number: int) -> str:
    """Make an id."""
    return f"00000000-0000-4000-8000-{number:012}"


async def keep(client: Client, image_id: str, number: int, **fields: Any) -> None:
    """Put an ended task about an image on record."""
    assert client.app is not None
    tools = client.app[TOOLS]
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
    task = Task(
        **{
            "id": an_id(number),
            "type": "api_image_import",
            "status": "success",
            "owner": "p1",
            "created_at": moment,
            "updated_at": moment,
            "image_id": image_id,
            "expires_at": tools.clock() + ENDED,
            **fields,
        }
    )
    view = await tools.records.get(image_id, None, locations=True)
    await tools.records.save(view.image, effects=Effects(task=task))


@pytest.fixture
async def tasked(client: Client) -> Client:
    """Give a client of a service that remembers five tasks, one of them expired and one of another project."""
    image_id = (await created(client)).rpartition("/")[2]
    for number in range(3):
        await keep(client, image_id, number)
    await keep(client, image_id, 3, status="failure", owner="p2", type="import")
    await keep(client, image_id, 4, expires_at=datetime(2026, 1, 1, tzinfo=UTC))
    return client


async def answered(client: Client, query: str, name: str = "admin", method: str = "GET") -> tuple[int, Any]:
    """Ask; give the status of the answer, and its JSON where it is one."""
    async with client.request(method, f"/v2/tasks{query}", headers=by(name)) as response:
        return response.status, await response.json() if response.status == 200 else await response.text()


async def listed(client: Client, query: str) -> list[int]:
    """List tasks; give their numbers."""
    status, body = await answered(client, query)
    assert status == 200, body
    return [int(task["id"][-3:]) for task in body["tasks"]]


async def test_a_list_has_stubs_newest_first_and_none_that_expired(tasked: Client) -> None:
    status, body = await answered(tasked, "")
    assert (status, [task["id"] for task in body["tasks"]]) == (200, [an_id(number) for number in (3, 2, 1, 0)])
    assert (body["first"], body["schema"], "next" in body) == ("/v2/tasks", "/v2/schemas/tasks", False)
    fields = {"id", "type", "status", "owner", "created_at", "updated_at", "expires_at", "self", "schema"}
    assert body["tasks"][0].keys() == fields
    assert body["tasks"][0]["created_at"] == "2026-01-01T00:00:03Z"
    for name, document in (("tasks", body), ("task", (await answered(tasked, f"/{an_id(1)}"))[1])):
        async with tasked.get(f"/v2/schemas/{name}", headers=by("ann")) as response:
            Draft7Validator(await response.json()).validate(document)


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("?limit=2", [3, 2]),
        (f"?limit=2&marker={an_id(2)}", [1, 0]),
        ("?sort_dir=asc", [0, 1, 2, 3]),
        ("?sort_key=id&sort_dir=desc", [3, 2, 1, 0]),
        ("?status=failure", [3]),
        ("?type=import", [3]),
        ("?owner=p2", [3]),
        ("?whatever=1&status=success", [2, 1, 0]),
        ("?limit=0", []),
    ],
)
async def test_pages_orders_and_filters(tasked: Client, query: str, numbers: list[int]) -> None:
    assert await listed(tasked, query) == numbers


async def test_the_next_page_is_followed_to_the_end(tasked: Client) -> None:
    _, body = await answered(tasked, "?limit=2&status=success")
    assert body["next"].startswith("/v2/tasks?")
    async with tasked.get(body["next"], headers=by("admin")) as response:
        assert [task["id"] for task in (await response.json())["tasks"]] == [an_id(0)]


@pytest.mark.parametrize(
    "query",
    ["?sort_key=input", "?sort_dir=up", "?status=done", "?type=api_image_import", f"?marker={an_id(99)}", "?marker=x"],
)
async def test_what_cannot_be_listed_is_400(tasked: Client, query: str) -> None:
    assert (await answered(tasked, query))[0] == 400


async def test_only_administrators_may_and_nobody_may_delete(tasked: Client) -> None:
    for query, method in (("", "GET"), ("", "POST"), (f"/{an_id(1)}", "GET"), (f"/{an_id(1)}", "DELETE")):
        assert (await answered(tasked, query, "ann", method))[0] == 403
    for task_id in (an_id(1), an_id(99)):
        async with tasked.delete(f"/v2/tasks/{task_id}", headers=by("admin")) as response:
            assert (response.status, response.headers["Allow"]) == (405, "GET")
    for task_id in (an_id(99), an_id(4), "x"):
        assert (await answered(tasked, f"/{task_id}"))[0] == 404


async def test_the_tasks_of_an_image_are_shown_to_their_project(tasked: Client) -> None:
    async with tasked.get("/v2/images", headers=by("ann")) as response:
        (image,) = (await response.json())["images"]
    path = f"/v2/images/{image['id']}"
    assert [task["id"] for task in await tasks_of(tasked, path, "ann")] == [an_id(number) for number in (0, 1, 2)]
    assert len(await tasks_of(tasked, path, "admin")) == 4
    (first, *_) = await tasks_of(tasked, path, "ann")
    assert first["created_at"] == "2026-01-01T00:00:00.000000"
    assert (first["deleted"], first["deleted_at"], first["input"], first["result"]) == (False, None, {}, None)
    async with tasked.get(f"{path}/tasks", headers=by("bob")) as response:
        assert response.status == 404


async def test_an_old_import_makes_an_image(connect: Connect) -> None:
    client = await connect(**LOOPBACK)
    async with serving_data() as server:
        wanted = {
            "import_from": str(server.make_url("/data")),
            "import_from_format": "raw",
            "image_properties": {"disk_format": "raw", "container_format": "bare", "name": "old"},
        }
        async with client.post("/v2/tasks", json={"type": "import", "input": wanted}, headers=by("admin")) as response:
            assert response.status == 201
            task = await response.json()
            assert response.headers["Location"].endswith(f"/v2/tasks/{task['id']}")
        assert (task["status"], task["result"], task["message"], task["input"]) == ("pending", None, "", wanted)
        path = f"/v2/images/{task['image_id']}"
        while "os_glance_import_task" in await shown(client, path, "admin"):
            pass
    image = await shown(client, path, "admin")
    assert (image["status"], image["name"], image["size"]) == ("active", "old", len(DATA))
    assert (await answered(client, f"/{task['id']}"))[1]["result"] == {"image_id": task["image_id"]}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "import"},
        {"type": "export", "input": {}},
        {"type": "import", "input": {}, "more": 1},
        {"type": "import", "input": {"import_from": "file:///etc/passwd"}},
        {"type": "import", "input": {"import_from": "filesystem:///etc/passwd"}},
        {"type": "import", "input": {"import_from": "http://169.254.169.254/"}},
        {"type": "import", "input": {"import_from": "http://2130706433/"}},
        {"type": "import", "input": {"import_from": "http://8.8.8.8/", "image_properties": []}},
        {"type": "import", "input": {"import_from": "http://8.8.8.8/", "image_properties": {"status": "active"}}},
    ],
)
async def test_an_old_import_passes_the_same_checks_ossn_0105(client: Client, body: dict[str, Any]) -> None:
    async with client.post("/v2/tasks", json=body, headers=by("admin")) as response:
        assert response.status in {400, 403}
    async with client.get("/v2/images", headers=by("admin")) as response:
        assert (await response.json())["images"] == []

"""Tasks over HTTP, on both drivers of records (reference section 2.10)."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from drivers.protocol import ImageStore
from drivers.tasks import Task
from tests.callers import by
from tests.conftest import Client, Connect
from tests.test_import import LOOPBACK, settled, started, tasks_of
from tests.transfers import DATA, created, until

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def base() -> AsyncIterator[str]:
    """Give the address of a web server that has the data."""

    async def data(request: web.Request) -> web.Response:
        return web.Response(body=DATA)

    app = web.Application()
    app.router.add_get("/data", data)
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("")).rstrip("/")
    await server.close()


@pytest.fixture
async def client(connect: Connect) -> Client:
    """Give a client of a service that may read from this machine."""
    return await connect(enabled_import_methods=("web-download",), **LOOPBACK)


async def ask(client: Client, path: str, status: int = 200, name: str = "admin") -> dict[str, Any]:
    """Ask for something of the tasks API; give the answer's body."""
    response = await client.get(path, headers=by(name, Accept="application/json"))
    assert response.status == status, await response.text()
    return dict(await response.json())


async def fill(store: ImageStore, count: int) -> None:
    """Keep tasks that have ended, each a second younger than the one before."""
    for number in range(count):
        at = START + timedelta(seconds=number)
        status: Any = "success" if number % 2 else "failure"
        await store.add_task(
            Task(id=f"task-{number}", type="import", status=status, owner="p1", created_at=at, updated_at=at)
        )


async def test_an_import_shows_its_task_to_the_images_project(client: Client, base: str) -> None:
    path = await created(client)
    body: dict[str, Any] = {"method": {"name": "web-download", "uri": f"{base}/data"}}
    await started(client, path, **body)
    await settled(client, path)
    (task,) = await tasks_of(client, path)
    assert task["input"]["import_req"] == body
    assert (task["image_id"], task["owner"], task["user_id"]) == (path.rpartition("/")[2], "p1", "ann")
    assert task["request_id"].startswith("req-")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", task["created_at"])
    assert (await client.get(f"{path}/tasks", headers=by("bob"))).status == 404


async def test_the_tasks_api_is_for_administrators(client: Client) -> None:
    for path in ("/v2/tasks", "/v2/tasks/x"):
        await ask(client, path, 403, "ann")
    assert (await client.post("/v2/tasks", json={}, headers=by("ann"))).status == 403


async def test_an_old_import_makes_an_image(client: Client, base: str) -> None:
    properties = {"name": "old", "disk_format": "raw"}
    wanted = {"import_from": f"{base}/data", "import_from_format": "qcow2", "image_properties": properties}
    response = await client.post("/v2/tasks", json={"type": "import", "input": wanted}, headers=by("admin"))
    assert response.status == 201, await response.text()
    task = await response.json()
    assert response.headers["Location"].endswith(task["self"])
    assert (task["status"], task["input"], task["result"], task["message"]) == ("pending", wanted, None, "")
    path = f"/v2/images/{task['image_id']}"

    async def has_ended() -> bool:
        return bool((await ask(client, task["self"]))["status"] == "success")

    await until(has_ended)
    image = await ask(client, path)
    assert (image["status"], image["name"], image["size"]) == ("active", "old", len(DATA))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "import"},
        {"type": "export", "input": {}},
        {"type": "import", "input": []},
        {"type": "import", "input": {}},
        {"type": "import", "input": {"import_from": "file:///etc/passwd"}},
        {"type": "import", "input": {"import_from": "http://10.0.0.1/x"}},
        {"type": "import", "input": {"import_from": "http://2130706433/x"}},
        {"type": "import", "input": {"import_from": "ftp://host/x"}},
        {"type": "import", "input": {"import_from": "http://1.2.3.4:22/x"}},
        {"type": "import", "input": {"import_from": "http://1.2.3.4/x"}, "more": 1},
    ],
    ids=repr,
)
async def test_an_old_import_passes_the_same_checks_as_any(connect: Connect, body: object) -> None:
    """OSSN-0105: the old way in was not checked."""
    client = await connect()
    assert (await client.post("/v2/tasks", json=body, headers=by("admin"))).status == 400
    assert (await ask(client, "/v2/tasks"))["tasks"] == []
    assert (await ask(client, "/v2/images"))["images"] == []


async def test_tasks_are_listed_in_pages(client: Client, store: ImageStore) -> None:
    await fill(store, 5)
    ids, path = [], "/v2/tasks?limit=2"
    while path:
        page = await ask(client, path)
        assert page["first"] == "/v2/tasks?limit=2"
        assert all("input" not in task for task in page["tasks"])
        ids += [task["id"] for task in page["tasks"]]
        path = page.get("next", "")
    assert ids == [f"task-{number}" for number in (4, 3, 2, 1, 0)]


async def test_tasks_are_filtered_and_sorted(client: Client, store: ImageStore) -> None:
    await fill(store, 4)
    page = await ask(client, "/v2/tasks?status=failure&sort_key=created_at&sort_dir=asc&unknown=x")
    assert [task["id"] for task in page["tasks"]] == ["task-0", "task-2"]


@pytest.mark.parametrize(
    "query", ["status=done", "type=api_image_import", "sort_key=x", "sort_dir=up", "limit=-1", "limit=x", "marker=x"]
)
async def test_a_list_that_means_nothing_is_refused(client: Client, query: str) -> None:
    await ask(client, f"/v2/tasks?{query}", 400)


async def test_a_task_can_be_shown_and_not_be_deleted(client: Client, store: ImageStore) -> None:
    await fill(store, 1)
    assert (await ask(client, "/v2/tasks/task-0"))["status"] == "failure"
    await ask(client, "/v2/tasks/other", 404)
    for path in ("/v2/tasks/task-0", "/v2/tasks/other"):
        response = await client.delete(path, headers=by("admin"))
        assert (response.status, response.headers["Allow"]) == (405, "GET")


async def test_a_task_is_forgotten_some_time_after_its_end(client: Client, store: ImageStore) -> None:
    task = Task(
        id="old", type="import", status="success", owner="p1", created_at=START, updated_at=START, expires_at=START
    )
    await store.add_task(task)
    await ask(client, "/v2/tasks/old", 404)
    assert (await ask(client, "/v2/tasks"))["tasks"] == []

"""What an import is refused for, in the order of reference section 2.3, and the URLs of section 2.3.1."""

import html
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from drivers.usage import Limits
from service.limits.fixed import FixedLimits
from service.work.plan import METHODS as KNOWN
from tests.callers import by
from tests.conftest import TWO_STORES, Client, Connect
from tests.imports import COPY, DIRECT, LOOPBACK, METHODS, asked, download, imported, serving_data, staged
from tests.transfers import DATA, created, status_of, uploaded
from tests.web_server import answer, scripted, to

NOBODY = "/v2/images/0c4f4e4e-0000-4000-8000-000000000000"
WEB = {"name": "web-download", "uri": "http://203.0.113.1/x"}
REMOTE = {"name": "glance-download", "glance_region": "r", "glance_image_id": "no-uuid"}


@pytest.fixture
async def several(connect: Connect) -> Client:
    """Give a client of a service with two stores, which may fetch from this machine."""
    return await connect(stores=TWO_STORES, enabled_import_methods=METHODS, **LOOPBACK)


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    """Give a web server that has the data."""
    async with serving_data() as server:
        yield server


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"method": "web-download"},
        {"method": {}},
        {"method": {"name": 5}},
        {"method": {"name": "teleport"}},
        {"method": DIRECT, "all_stores": "yes"},
        {"method": DIRECT, "all_stores_must_succeed": 0},
        {"method": DIRECT, "stores": "fast"},
        {"method": DIRECT, "stores": []},
        {"method": DIRECT, "stores": [1]},
    ],
)
async def test_a_body_that_says_nothing_is_400_before_the_image_is_looked_for(several: Client, body: Any) -> None:
    async with several.post(f"{NOBODY}/import", json=body, headers=by("ann")) as response:
        assert response.status == 400


async def test_a_project_over_its_limit_is_413_before_the_image_is_looked_for(
    connect: Connect,
) -> None:
    limits = FixedLimits(Limits(bytes=len(DATA)))
    client = await connect(limits=limits, enabled_import_methods=METHODS)
    await uploaded(client)
    assert (await asked(client, NOBODY, method=DIRECT))[0] == 404
    client = await connect(limits=FixedLimits(Limits(bytes=1)), enabled_import_methods=METHODS)
    assert (await asked(client, NOBODY, method=DIRECT))[0] == 413
    assert (await asked(client, NOBODY, method={"name": "teleport"}))[0] == 400


async def test_a_stranger_sees_404_of_a_private_image_and_409_of_a_community_one(several: Client) -> None:
    private = await created(several, visibility="private")
    shared = await created(several, visibility="community")
    assert (await asked(several, private, "bob", method=DIRECT))[0] == 404
    assert (await asked(several, shared, "bob", method=DIRECT))[0] == 409
    assert (await asked(several, shared, "bob", method=WEB))[0] == 403


@pytest.mark.parametrize("name", KNOWN)
async def test_each_method_needs_its_status(several: Client, name: str) -> None:
    method = {"name": name, "uri": WEB["uri"], **{key: value for key, value in REMOTE.items() if key != "name"}}
    images = {"queued": created(several), "uploading": staged(several), "active": uploaded(several)}
    for status, making in images.items():
        path = await making
        if status != KNOWN[name].needs:
            assert (await asked(several, path, "admin", method=method))[0] == 409
            assert await status_of(several, path) == status


async def test_formats_come_before_the_methods_own_options_and_those_before_policy(several: Client) -> None:
    for missing in ("container_format", "disk_format"):
        fields: dict[str, Any] = {"visibility": "community", missing: None}
        path = await created(several, **fields)
        status, text = await asked(several, path, "bob", method=REMOTE)
        assert (status, f"{missing}' needs to be set before import" in html.unescape(text)) == (409, True)
    path = await created(several, visibility="community")
    for method in (REMOTE, {"name": "glance-download"}, {"name": "web-download"}, WEB | {"uri": 5}):
        assert (await asked(several, path, "bob", method=method))[0] == 400
    status, text = await asked(several, path, "bob", method=REMOTE)
    assert "Remote image id does not look like a UUID" in text


async def test_copying_is_for_administrators_by_default(several: Client) -> None:
    path = await uploaded(several)
    assert (await asked(several, path, method=COPY, stores=["slow"]))[0] == 403


@pytest.mark.parametrize(
    ("body", "header", "status"),
    [
        ({"all_stores": True, "stores": ["fast"]}, None, 400),
        ({"all_stores": True}, "fast", 400),
        ({"stores": ["fast"]}, "slow", 400),
        ({"stores": ["fast", "moon"]}, None, 409),
        ({}, "moon", 409),
    ],
)
async def test_stores_are_named_once_and_exist(
    several: Client, body: dict[str, Any], header: str | None, status: int
) -> None:
    path = await staged(several)
    headers = by("ann", **{"X_Image_Meta_Store": header} if header else {})
    async with several.post(f"{path}/import", json={"method": DIRECT, **body}, headers=headers) as response:
        assert response.status == status
    assert await status_of(several, path) == "uploading"


async def test_one_store_without_a_name_is_not_chosen_and_may_not_fail(connect: Connect) -> None:
    client = await connect()
    path = await staged(client)
    assert (await asked(client, path, method=DIRECT, all_stores_must_succeed=False))[0] == 400
    image = await imported(client, path, method=DIRECT, stores=["whatever"], all_stores=True)
    assert image["status"] == "active"
    assert "stores" not in image


async def test_imports_that_are_off_are_unknown(connect: Connect) -> None:
    client = await connect(enabled_import_methods=())
    path = await created(client)
    status, text = await asked(client, path, method=WEB)
    assert (status, "Unknown import method name" in text) == (400, True)
    async with client.put(f"{path}/stage", data=b"x", headers=by("ann")) as response:
        assert response.status == 404
    async with client.get("/v2/info/import", headers=by("ann")) as response:
        assert (await response.json())["import-methods"]["value"] == []


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "203.0.113.1/x",
        "http://",
        "ftp://203.0.113.1/x",
        "file:///etc/passwd",
        "http://2130706433/x",
        "http://127.1/x",
        "http://10.1/x",
        "http://0177.0.0.01/x",
        "http://017700000001/x",
        "http://0x7f000001/x",
        "http://127.0.0.1/x",
        "http://[::1]/x",
        "http://[::ffff:127.0.0.1]/x",
        "http://169.254.169.254/latest/meta-data",
        "http://localhost/x",
        "http://nowhere.invalid/x",
        "http://8.8.8.8:22/x",
        "http://user:secret@8.8.8.8:8080/x?token=secret",
    ],
)
async def test_a_url_that_must_not_be_fetched_is_400_and_shows_no_secret(connect: Connect, uri: str) -> None:
    client = await connect(enabled_import_methods=METHODS)
    path = await created(client)
    status, text = await asked(client, path, method=WEB | {"uri": uri})
    assert status == 400, text
    assert "secret" not in text
    assert await status_of(client, path) == "queued"


@pytest.mark.parametrize(
    ("lists", "status"),
    [
        ({"disallowed_hosts": ("127.0.0.1",)}, 400),
        ({"allowed_hosts": ("example.com",)}, 400),
        ({"allowed_hosts": ("127.0.0.1",), "disallowed_hosts": ("127.0.0.1",)}, 202),
        ({"disallowed_ports": ("1-65535",)}, 400),
        ({"allowed_ports": ("80",)}, 400),
        ({"allowed_ports": ("1024-65535",), "disallowed_ports": ("1-65535",)}, 202),
        ({"allowed_schemes": (), "disallowed_schemes": ("http",)}, 400),
        ({"allowed_schemes": (), "disallowed_schemes": ("https",)}, 202),
    ],
)
async def test_the_lists_of_the_operator_hold_and_what_is_allowed_outweighs(
    connect: Connect, server: TestServer, lists: dict[str, Any], status: int
) -> None:
    client = await connect(enabled_import_methods=METHODS, **LOOPBACK | lists)
    path = await created(client)
    assert (await asked(client, path, method=download(server)))[0] == status


@pytest.mark.parametrize("target", ["http://10.0.0.1/x", "http://127.1/x", "http://[::1]/x", "file:///etc/passwd"])
async def test_a_redirect_to_where_no_url_may_lead_fails_the_import(several: Client, target: str) -> None:
    path = await created(several)
    async with scripted(to(target), answer("200 OK", DATA)) as web:
        image = await imported(several, path, method=WEB | {"uri": web.url})
        assert len(web.requests) == 1
    assert image["status"] == "queued"

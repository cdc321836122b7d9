"""`/metrics`: how long requests take, by route and status, whichever way through the service they go."""

from itertools import count

import pytest
from prometheus_client.parser import text_string_to_metric_families

from drivers.protocol import ImageStore
from service.timing import BOUNDS, RequestTimes
from tests.callers import by
from tests.conformance import NEVER, ONE, image
from tests.conftest import Client

SHOW = ("GET", "/v2/images/{image_id}")


async def counted(client: Client) -> dict[tuple[str, str, str], float]:
    """Read how many requests of each method, path and status the service has counted."""
    async with client.get("/metrics") as response:
        text = await response.text()
    return {
        (sample.labels["method"], sample.labels["path"], sample.labels["status"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "vitrine_request_seconds_count"
    }


async def test_every_way_to_show_an_image_is_one_series(client: Client, store: ImageStore) -> None:
    await store.add(image())
    plain = by("ann")
    for headers in (plain, {**plain, "Origin": "http://pages.example"}, {**plain, "If-None-Match": '"x"'}):
        assert (await client.get(f"/v2/images/{ONE}", headers=headers)).status == 200
    assert (await client.get(f"/v2.7/images/{ONE}", headers=plain)).status == 200
    assert (await client.get(f"/v2/images/{NEVER}", headers=plain)).status == 404
    assert (await client.get(f"/v2/images/{ONE}")).status == 401
    found = await counted(client)
    assert {key: number for key, number in found.items() if key[:2] == SHOW} == {
        (*SHOW, "200"): 4,
        (*SHOW, "404"): 1,
        (*SHOW, "401"): 1,
    }


async def test_refusals_count_under_their_route(client: Client) -> None:
    assert (await client.post("/v2/images", data=b"{", headers=by("ann"))).status == 400
    assert (await client.get("/livez")).status == 200
    found = await counted(client)
    assert (found["POST", "/v2/images", "400"], found["GET", "/livez", "200"]) == (1, 1)


async def test_what_no_route_takes_makes_one_series_only(client: Client) -> None:
    for path in ("/nowhere", "/v2/nowhere", "/v2/images/x/y/z"):
        await client.request("PROPFIND", path, headers=by("ann"))
    paths = {path for _, path, _ in await counted(client)}
    assert "*" in paths
    assert not any("nowhere" in path or "x/y" in path for path in paths)


async def test_the_process_itself_is_measured(client: Client) -> None:
    async with client.get("/metrics") as response:
        assert "process_resident_memory_bytes" in await response.text()


@pytest.mark.parametrize(("seconds", "at_most"), [(0.0009, 0.001), (0.001, 0.001), (0.3, 0.5), (299.0, 300.0)])
def test_a_request_counts_in_every_span_that_is_long_enough(seconds: float, at_most: float) -> None:
    times = RequestTimes(clock=lambda: seconds)
    times.note(SHOW, 200, 0.0)
    (family,) = times.collect()
    spans = {float(each.labels["le"]): each.value for each in family.samples if each.name.endswith("_bucket")}
    assert spans == {bound: float(bound >= at_most) for bound in (*BOUNDS, float("inf"))}
    assert next(each.value for each in family.samples if each.name.endswith("_sum")) == seconds


def test_times_add_up_by_route_and_status() -> None:
    times = RequestTimes(clock=map(float, count(1)).__next__)
    for status in (200, 200, 404):
        times.note(SHOW, status, 0.0)
    (family,) = times.collect()
    sums = {each.labels["status"]: each.value for each in family.samples if each.name.endswith("_sum")}
    assert sums == {"200": 1.0 + 2.0, "404": 3.0}

"""What every driver proves of tasks, and of the saves that change them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from drivers.claims import Effects
from drivers.errors import ImageNotFound, LeaseLost, QuotaExceeded, RevisionConflict, TaskNotFound, UnknownMarker
from drivers.protocol import ImageStore
from drivers.records import Location
from drivers.tasks import Task, TaskQuery, TaskSortKey
from drivers.usage import Limits
from tests.conformance_claims import LONG, NOW, ONE, OVER, image, refused

LATER = NOW + timedelta(hours=1)
EVERYBODY = TaskQuery(now=NOW, project_id=None, limit=1000)
ENDED: Any = ["success", "failure"]
NUMBERED: list[dict[str, Any]] = [
    {"type": "import", "owner": "p1", "image_id": ONE, "user_id": "u"},
    {"type": "import", "owner": "p2", "status": "failure", "expires_at": LATER, "request_id": "req-1"},
    {"type": "location_import", "owner": "P1", "status": "success", "expires_at": NOW, "image_id": ONE},
    {"type": "api_image_import", "owner": None, "status": "processing"},
    {"type": "api_image_import", "owner": "p1", "status": "failure", "expires_at": LATER, "image_id": "other"},
    {"type": "api_image_import", "owner": "ü", "updated_at": LATER},
]


def task(task_id: str = "a", **fields: Any) -> Task:
    """Make a pending task of project `p1`."""
    kept: dict[str, Any] = {"type": "api_image_import", "owner": "p1", "created_at": NOW, "updated_at": NOW}
    return Task(**{"id": task_id, **kept, **fields})


def full_task(task_id: str = "a", **fields: Any) -> Task:
    """Make a task in which every field but the attempt differs from its default."""
    given = {
        "type": "import",
        "status": "failure",
        "updated_at": LATER,
        "image_id": ONE,
        "request_id": "req-1",
        "user_id": "u",
        "input": {"z": {"deep": [1, None, 2.5, "\0", "Ç ☃ 😀"]}, "a": {}},
        "result": {"image_id": ONE},
        "message": "It failed.\n",
        "expires_at": LATER,
        "private": {"certificate": "-----BEGIN CERTIFICATE-----\n"},
    }
    return task(task_id, **{**given, **fields})


async def fill(store: ImageStore) -> None:
    """Keep the tasks of NUMBERED, named by their numbers, each a second younger than the one before."""
    for number, fields in enumerate(NUMBERED):
        await store.add_task(task(str(number), **{"created_at": NOW + timedelta(seconds=number), **fields}))


async def names(store: ImageStore, **query: Any) -> str:
    """List tasks, and give their ids as one word."""
    return "".join(each.id for each in await store.list_tasks(replace(EVERYBODY, **query)))


async def take(store: ImageStore, limit: int = 1000, lease: timedelta = LONG) -> list[Task]:
    """Take up tasks."""
    return list(await store.take_tasks(limit, lease=lease, updated_at=LATER))


class TaskConformance:
    """What every driver proves of TaskStore."""

    async def test_a_task_comes_back_as_it_was_kept(self, store: ImageStore) -> None:
        for kept in (full_task("a"), task("b"), task("c", owner=None, result={}, attempt=2**40)):
            await store.add_task(kept)
            assert await store.task(kept.id) == kept
        assert list((await store.task("a")).input) == ["z", "a"]

    @pytest.mark.parametrize("task_id", ["", "A", "\0", "\ud800"])
    async def test_what_is_no_task_is_not_found(self, store: ImageStore, task_id: str) -> None:
        await store.add_task(task("a"))
        with pytest.raises(TaskNotFound):
            await store.task(task_id)

    async def test_a_task_is_added_once(self, store: ImageStore) -> None:
        await store.add_task(task())
        with pytest.raises(LeaseLost):
            await store.add_task(full_task())
        assert await store.task("a") == task()

    async def test_taking_up_a_task_notes_the_attempt(self, store: ImageStore) -> None:
        await store.add_task(full_task(status="pending"))
        taken = full_task(status="processing", attempt=1, updated_at=LATER)
        assert await take(store) == [taken]
        assert await store.task("a") == taken
        assert await take(store) == []

    async def test_the_oldest_is_taken_up_first(self, store: ImageStore) -> None:
        for name, age in (("a", 1), ("c", 2), ("b", 2), ("d", 3)):
            await store.add_task(task(name, created_at=NOW - timedelta(seconds=age)))
        assert [[each.id for each in await take(store, limit)] for limit in (0, 2, 5)] == [[], ["d", "b"], ["c", "a"]]

    @pytest.mark.parametrize("status", ENDED)
    async def test_what_has_ended_is_taken_up_by_nobody(self, store: ImageStore, status: Any) -> None:
        await store.add_task(task("a", status=status))
        await store.add_task(task("b"))
        (taken,) = await take(store, lease=OVER)
        await store.save_task(replace(taken, status=status, message="over"))
        assert await take(store) == []
        assert await store.task("b") == replace(taken, status=status, message="over")

    async def test_a_task_whose_lease_ran_out_is_taken_over(self, store: ImageStore) -> None:
        await store.add_task(task())
        await take(store, lease=timedelta(milliseconds=50))
        await asyncio.sleep(0.06)
        (taken,) = await take(store)
        assert taken == task(status="processing", attempt=2, updated_at=LATER)
        assert await take(store) == []

    async def test_a_renewed_lease_runs_anew_and_keeps_the_message(self, store: ImageStore) -> None:
        await store.add_task(task())
        (taken,) = await take(store, lease=OVER)
        told = replace(taken, message="half", updated_at=NOW, input={"not": "kept"}, result={"not": "kept"})
        await store.renew_task(told, lease=LONG)
        assert await take(store) == []
        assert await store.task("a") == replace(taken, message="half", updated_at=NOW)
        await store.renew_task(told, lease=OVER)
        assert len(await take(store)) == 1

    async def test_a_task_that_is_pending_again_is_there_for_all(self, store: ImageStore) -> None:
        await store.add_task(task())
        (taken,) = await take(store)
        await store.save_task(replace(taken, status="pending", message="later"))
        assert await take(store) == [replace(taken, message="later", attempt=2)]

    async def test_a_saved_task_under_a_lease_stays_under_it(self, store: ImageStore) -> None:
        await store.add_task(task())
        (taken,) = await take(store)
        await store.save_task(replace(taken, input={"step": 2}))
        assert await take(store) == []

    async def test_a_task_saved_after_its_lease_is_the_last_attempts(self, store: ImageStore) -> None:
        await store.add_task(task())
        (taken,) = await take(store, lease=OVER)
        await store.save_task(replace(taken, message="late"))
        await store.renew_task(taken, lease=LONG)

    @pytest.mark.parametrize("call", ["save_task", "renew_task", "save"])
    @pytest.mark.parametrize("lost", ["taken over", "ended", "forgotten"])
    async def test_who_lost_a_task_cannot_touch_it(self, store: ImageStore, call: str, lost: str) -> None:
        await store.add(image())
        await store.add_task(task())
        (ours,) = await take(store, lease=OVER)
        if lost == "taken over":
            await take(store)
        else:
            await store.save_task(replace(ours, status="failure", expires_at=NOW))
        if lost == "forgotten":
            await store.drop_tasks(NOW)
        before = await store.list_tasks(EVERYBODY)
        mine = replace(ours, message="mine")
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "save_task": lambda: store.save_task(mine),
            "renew_task": lambda: store.renew_task(mine, lease=LONG),
            "save": lambda: store.save(image(name="mine"), effects=Effects(task=mine)),
        }
        with pytest.raises(LeaseLost):
            await calls[call]()
        assert await store.list_tasks(EVERYBODY) == before
        assert (await store.get(ONE, "p1")).image == image()

    async def test_a_pending_task_is_under_no_lease_to_renew(self, store: ImageStore) -> None:
        await store.add_task(task())
        with pytest.raises(LeaseLost):
            await store.renew_task(task(message="x"), lease=LONG)
        (taken,) = await take(store)
        await store.save_task(replace(taken, status="pending"))
        with pytest.raises(LeaseLost):
            await store.renew_task(taken, lease=LONG)

    async def test_takers_at_once_never_meet(self, store: ImageStore) -> None:
        ids = [f"{number:02}" for number in range(40)]
        for each in ids:
            await store.add_task(task(each))
        taken = [each for taker in await asyncio.gather(*(take(store, 3) for _ in range(10))) for each in taker]
        taken += await take(store)
        assert sorted(each.id for each in taken) == ids
        assert {each.attempt for each in taken} == {1}

    async def test_of_a_taker_and_who_ends_a_pending_task_one_wins(self, store: ImageStore) -> None:
        for number in range(10):
            pending = task(str(number))
            await store.add_task(pending)
            ending = store.save_task(replace(pending, status="failure"))
            answers = await asyncio.gather(ending, take(store), return_exceptions=True)
            assert refused(answers, LeaseLost) == (answers[1] != [])

    async def test_an_images_tasks_come_the_earliest_first(self, store: ImageStore) -> None:
        made = [
            task("b", image_id=ONE, created_at=LATER),
            full_task("c", expires_at=NOW - LONG),
            full_task("a", owner="p2"),
        ]
        for each in (*made, task("d"), task("e", image_id=ONE.upper())):
            await store.add_task(each)
        assert list(await store.image_tasks(ONE)) == [made[2], made[1], made[0]]
        assert [list(await store.image_tasks(each)) for each in ("", "\0", "\ud800")] == [[], [], []]

    async def test_tasks_are_forgotten_once_they_expired(self, store: ImageStore) -> None:
        second = timedelta(microseconds=1)
        for name, expires_at in (("a", NOW - LONG), ("b", NOW), ("c", NOW + second), ("d", None)):
            await store.add_task(task(name, expires_at=expires_at))
        assert [await store.drop_tasks(NOW), await store.drop_tasks(NOW)] == [2, 0]
        assert await names(store) == "dc"
        assert [each.id for each in await take(store)] == ["c", "d"]


class TaskListConformance:
    """What every driver proves of `list_tasks`."""

    @pytest.mark.parametrize(
        ("query", "listed"),
        [
            ({}, "543210"),
            ({"project_id": "p1"}, "40"),
            ({"project_id": "P1"}, "2"),
            ({"project_id": ""}, ""),
            ({"project_id": "\0"}, ""),
            ({"project_id": "\ud800"}, ""),
            ({"now": NOW + timedelta(microseconds=1)}, "54310"),
            ({"now": LATER}, "54310"),
            ({"now": LATER + timedelta(microseconds=1)}, "530"),
            ({"filters": (("status", "failure"),)}, "41"),
            ({"filters": (("status", "failure"), ("type", "import"))}, "1"),
            ({"filters": (("status", "failure"), ("status", "success"))}, ""),
            ({"filters": (("owner", "p1"),)}, "40"),
            ({"filters": (("owner", ""),)}, ""),
            ({"filters": (("image_id", ONE),)}, "20"),
            ({"filters": (("request_id", "req-1"),)}, "1"),
            ({"filters": (("user_id", "u"),)}, "0"),
            ({"filters": (("id", "3"),)}, "3"),
            ({"filters": (("id", "\0"),)}, ""),
            ({"filters": (("user_id", "\ud800"),)}, ""),
            ({"project_id": "p1", "filters": (("owner", "p2"),)}, ""),
        ],
        ids=repr,
    )
    async def test_a_project_lists_its_tasks_that_fulfil_all_filters(
        self, store: ImageStore, query: dict[str, Any], listed: str
    ) -> None:
        await fill(store)
        assert await names(store, **query) == listed

    @pytest.mark.parametrize(
        ("key", "ascending"),
        [
            ("id", "012345"),
            ("type", "345012"),
            ("status", "140532"),
            ("owner", "320415"),
            ("created_at", "012345"),
            ("updated_at", "012345"),
            ("expires_at", "035214"),
        ],
    )
    async def test_an_order_ends_in_age_and_id_and_null_is_least(
        self, store: ImageStore, key: Any, ascending: str
    ) -> None:
        await fill(store)
        assert await names(store, sort_key=key, descending=False) == ascending
        assert await names(store, sort_key=key) == ascending[::-1]

    async def test_tasks_of_one_moment_come_in_the_order_of_their_ids(self, store: ImageStore) -> None:
        for name in "baC":
            await store.add_task(task(name))
        assert [await names(store, descending=False), await names(store)] == ["Cab", "baC"]

    @pytest.mark.parametrize("key", get_args(TaskSortKey))
    @pytest.mark.parametrize("descending", [False, True])
    @pytest.mark.parametrize("filters", [(), (("type", "api_image_import"),)])
    async def test_a_walk_meets_each_task_once(
        self, store: ImageStore, key: Any, descending: bool, filters: Any
    ) -> None:
        await fill(store)
        query: dict[str, Any] = {"sort_key": key, "descending": descending, "filters": filters}
        whole = await names(store, **query)
        met = await names(store, **query, limit=1)
        while page := await names(store, **query, limit=2, marker=met[-1]):
            met += page
        assert met == whole

    async def test_a_marker_need_not_fulfil_the_filters(self, store: ImageStore) -> None:
        await fill(store)
        assert await names(store, marker="3", filters=(("type", "import"),)) == "10"

    @pytest.mark.parametrize(
        "query",
        [
            {"marker": "x"},
            {"marker": "\0"},
            {"marker": "\ud800"},
            {"marker": "1", "project_id": "p1"},
            {"marker": "3", "project_id": "p1"},
            {"marker": "0", "project_id": "\0"},
            {"marker": "2", "now": LATER},
            {"marker": "x", "limit": 0},
        ],
        ids=repr,
    )
    async def test_a_marker_that_the_project_may_not_see_is_refused(
        self, store: ImageStore, query: dict[str, Any]
    ) -> None:
        await fill(store)
        with pytest.raises(UnknownMarker, match="task"):
            await names(store, **query)

    async def test_a_limit_of_nothing_lists_nothing(self, store: ImageStore) -> None:
        await fill(store)
        assert await names(store, limit=0) == ""


class TaskEffectConformance:
    """What every driver proves of the task that a save of an image carries."""

    async def test_a_save_adds_a_task_for_all(self, store: ImageStore) -> None:
        await store.add(image())
        await store.save(image(status="importing"), effects=Effects(task=task(image_id=ONE)))
        assert list(await store.image_tasks(ONE)) == [task(image_id=ONE)]
        assert [each.id for each in await take(store)] == ["a"]

    async def test_a_task_added_while_it_is_done_is_its_adders_for_a_lease(self, store: ImageStore) -> None:
        await store.add(image())
        begun = task(status="processing")
        await store.save(image(), effects=Effects(task=begun, lease=LONG))
        assert await take(store) == []
        await store.renew_task(replace(begun, message="half"), lease=OVER)
        (taken,) = await take(store)
        assert taken == replace(begun, message="half", attempt=1, updated_at=LATER)
        for lost in (store.renew_task(begun, lease=LONG), store.save_task(begun)):
            with pytest.raises(LeaseLost):
                await lost

    async def test_a_save_saves_the_task_of_its_worker(self, store: ImageStore) -> None:
        await store.add(image())
        await store.add_task(task())
        (taken,) = await take(store, lease=OVER)
        ended = replace(taken, status="success", result={"done": True}, expires_at=LATER)
        await store.save(image(status="active"), effects=Effects(task=ended))
        assert await store.task("a") == ended
        assert await take(store) == []

    async def test_a_save_may_end_a_task_that_nobody_took_up(self, store: ImageStore) -> None:
        await store.add(image())
        await store.add_task(task())
        await store.save(image(), effects=Effects(task=task(status="failure")))
        assert await take(store) == []

    async def test_a_refused_save_leaves_the_task_alone(self, store: ImageStore) -> None:
        await store.add(image())
        large = image(status="active", size=10, locations=(Location("u"),))
        with pytest.raises(ImageNotFound):
            await store.save(image(id=ONE.upper()), effects=Effects(task=task()))
        with pytest.raises(RevisionConflict):
            await store.save(image(revision=2), effects=Effects(task=task()))
        with pytest.raises(QuotaExceeded):
            await store.save(large, limits=Limits(bytes=1), effects=Effects(task=task()))
        with pytest.raises(LeaseLost):
            await store.save(image(), effects=Effects(task=task(), done=("never",)))
        assert await names(store) == ""

    async def test_of_many_saves_that_add_one_task_one_wins(self, store: ImageStore) -> None:
        images = [image(id=f"00000000-0000-4000-8000-{number:012}") for number in range(10)]
        for each in images:
            await store.add(each)
        saves = [store.save(each, effects=Effects(task=task(status="success", message=each.id))) for each in images]
        assert refused(await asyncio.gather(*saves, return_exceptions=True), LeaseLost) == 9
        won = (await store.task("a")).message
        revisions = {each.id: (await store.get(each.id, "p1")).image.revision for each in images}
        assert [name for name, revision in revisions.items() if revision == 2] == [won]

    async def test_of_a_taker_and_a_save_that_ends_the_task_one_wins(self, store: ImageStore) -> None:
        for number in range(10):
            name = f"00000000-0000-4000-8000-{number:012}"
            await store.add(image(id=name))
            await store.add_task(task(name))
            saving = store.save(image(id=name), effects=Effects(task=task(name, status="failure")))
            answers = await asyncio.gather(saving, take(store), return_exceptions=True)
            assert refused(answers, LeaseLost) == (answers[1] != [])

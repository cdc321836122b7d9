"""The MetadefStore contract as tests; a driver's own test module is a fixture that opens its store."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace

from drivers.metadefs.errors import ItemExists, ItemNotFound, NamespaceChanged, NamespaceExists, NamespaceNotFound
from drivers.metadefs.protocol import MetadefStore
from drivers.metadefs.records import (
    EMPTY,
    KINDS,
    Add,
    AddItems,
    Ask,
    Change,
    Contents,
    Delete,
    ForgetResourceTypes,
    Item,
    Kind,
    Namespace,
    NamespaceKey,
    NamespaceQuery,
    RemoveItem,
    Save,
    SaveItem,
)

NOW = datetime(2026, 1, 28, 12, 58, 17, 123456, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
# The spaces, the escapes and the order of the keys are to stay as they are.
CONTENT = Raw(b'{"title": "\xc3\x87 \\u0041 \xf0\x9f\x98\x80",  "b": 1.50, "a": [null, {"x": "\\"\\\\"}]}')
EVERYTHING = NamespaceQuery(project_id=None, is_admin=True, limit=None, kinds=KINDS)


def namespace(name: str = "OS::A", **fields: Any) -> Namespace:
    """Make a private namespace of project `p1`, with what a test cares about given by name."""
    return Namespace(**{"name": name, "owner": "p1", "created_at": NOW, "updated_at": NOW, **fields})


def item(kind: Kind, name: str, content: Raw | None = None, at: datetime = NOW) -> Item:
    """Make an item."""
    return Item(kind, name, at, at, Raw(b"{}") if content is None else content)


def items_of_every_kind() -> tuple[Item, ...]:
    """Make two items of each kind, in a store's order."""
    return tuple(item(kind, name, CONTENT) for kind in sorted(KINDS) for name in ("A b::/%", "z ☃ 😀"))


def unnumbered(contents: Contents) -> Contents:
    """Take away what only the store decides."""
    kept = tuple(replace(each, number=0) for each in contents.items)
    return Contents(replace(contents.namespace, number=0, revision=1), kept)


def names(page: Sequence[Contents]) -> list[str]:
    """Name the namespaces of a page, in its order."""
    return [contents.namespace.name for contents in page]


async def everything(store: MetadefStore) -> object:
    """Read all that a store holds."""
    return await store.list_namespaces(EVERYTHING), await store.resource_types()


async def kept(store: MetadefStore, *items: Item, **fields: Any) -> Namespace:
    """Keep a namespace with items, and give it as it is read."""
    made = namespace(**fields)
    await store.change(Add(Contents(made, items)))
    return (await store.read(Ask(made.name))).namespace


async def held(store: MetadefStore, kind: Kind, name: str = "OS::A") -> list[str]:
    """Name a namespace's items of a kind."""
    return [each.name for each in (await store.read(Ask(name, (kind,)))).items]


class ChangeConformance:
    """What every driver proves of `read`, `change` and `resource_types`."""

    async def test_what_is_added_is_read_to_the_byte(self, store: MetadefStore) -> None:
        made = Contents(
            namespace(
                display_name="Ç ☃ 😀", description="", visibility="public", protected=True, owner="p", updated_at=LATER
            ),
            items_of_every_kind(),
        )
        await store.change(Add(made))
        found = await store.read(Ask("OS::A", KINDS))
        assert unnumbered(found) == made
        assert found.namespace.revision == 1
        assert {each.created_at.tzinfo for each in found.items} == {found.namespace.updated_at.tzinfo} == {UTC}

    async def test_a_read_gives_the_kinds_that_are_asked_for(self, store: MetadefStore) -> None:
        await kept(store, *items_of_every_kind())
        assert (await store.read(Ask("OS::A"))).items == ()
        for kind in KINDS:
            assert {each.kind for each in (await store.read(Ask("OS::A", (kind,)))).items} == {kind}
        one = await store.read(Ask("OS::A", ("tag",), "z ☃ 😀"))
        assert [(each.kind, each.name) for each in one.items] == [("tag", "z ☃ 😀")]
        assert (await store.read(Ask("OS::A", KINDS, "nothing"))).items == ()

    async def test_all_properties_are_read_as_one_object(self, store: MetadefStore) -> None:
        await kept(store, *items_of_every_kind(), item("property", 'quote"\\'))
        read = await store.read(Ask("OS::A", ("tag",), properties=True))
        held = msgspec.json.decode(read.properties, type=dict[str, Raw])
        assert list(held.items()) == [("A b::/%", CONTENT), ('quote"\\', Raw(b"{}")), ("z ☃ 😀", CONTENT)]
        assert {each.kind for each in read.items} == {"tag"}
        await kept(store, name="OS::B")
        for ask in (Ask("OS::A"), Ask("OS::B", properties=True)):
            assert (await store.read(ask)).properties == EMPTY

    @pytest.mark.parametrize("name", ["os::a", "OS::A ", "", "\0", "\ud800", "x" * 10_000])
    async def test_another_name_is_not_found(self, store: MetadefStore, name: str) -> None:
        await kept(store, *items_of_every_kind())
        with pytest.raises(NamespaceNotFound):
            await store.read(Ask(name, KINDS))
        with pytest.raises(NamespaceNotFound):
            await store.list_namespaces(replace(EVERYTHING, marker=name, limit=0))

    async def test_many_reads_at_once_each_get_their_own(self, store: MetadefStore) -> None:
        for number in range(5):
            await kept(store, item("tag", str(number)), name=str(number))
        asks = [Ask(str(number % 6), KINDS if number % 2 else ()) for number in range(200)]
        answers = await asyncio.gather(*(store.read(ask) for ask in asks), return_exceptions=True)
        for ask, answer in zip(asks, answers, strict=True):
            if ask.namespace == "5":
                assert isinstance(answer, NamespaceNotFound)
            else:
                assert isinstance(answer, Contents)
                assert [each.name for each in answer.items] == ([ask.namespace] if ask.kinds else [])

    async def test_a_name_is_one_namespaces_only(self, store: MetadefStore) -> None:
        await kept(store, item("tag", "a"))
        other = await kept(store, name="OS::B")
        before = await everything(store)
        for change in (
            Add(Contents(namespace(owner="p2"), (item("tag", "b"),))),
            Save(replace(other, name="OS::A")),
        ):
            with pytest.raises(NamespaceExists, match="OS::A"):
                await store.change(change)
        assert await everything(store) == before

    async def test_of_many_who_add_one_name_one_succeeds(self, store: MetadefStore) -> None:
        adds = (store.change(Add(Contents(namespace(owner=f"p{n}"), (item("tag", "a"),)))) for n in range(8))
        answers = await asyncio.gather(*adds, return_exceptions=True)
        assert [type(answer) for answer in answers if answer] == [NamespaceExists] * 7

    async def test_a_save_replaces_every_field_but_the_time_of_creation(self, store: MetadefStore) -> None:
        before = await kept(store, *items_of_every_kind(), description="old", display_name="old")
        after = namespace(
            name="OS::B", owner="p2", visibility="public", protected=True, updated_at=LATER, created_at=LATER,
            number=before.number,
        )  # fmt: skip
        await store.change(Save(after))
        found = await store.read(Ask("OS::B", KINDS))
        assert found.namespace == replace(after, created_at=NOW, revision=2)
        assert len(found.items) == 2 * len(KINDS)
        with pytest.raises(NamespaceNotFound):
            await store.read(Ask("OS::A"))

    async def test_a_namespace_may_be_saved_under_its_own_name(self, store: MetadefStore) -> None:
        before = await kept(store)
        await store.change(Save(replace(before, protected=True)))
        assert (await store.read(Ask("OS::A"))).namespace.protected

    async def test_nothing_is_done_to_a_namespace_that_changed_since_it_was_read(self, store: MetadefStore) -> None:
        read = await kept(store, item("tag", "a"))
        await store.change(Save(replace(read, protected=True)))
        await self._refuses_every_change(store, read)

    async def test_nothing_is_done_to_the_successor_of_a_namespace_that_is_gone(self, store: MetadefStore) -> None:
        read = await kept(store, item("tag", "a"))
        await store.change(Delete(read))
        await self._refuses_every_change(store, read)
        await kept(store, item("tag", "a"))
        await self._refuses_every_change(store, read)

    async def _refuses_every_change(self, store: MetadefStore, read: Namespace) -> None:
        before = await everything(store)
        changes: tuple[Change, ...] = (
            Save(read),
            Delete(read),
            AddItems(read, (item("tag", "b"),)),
            AddItems(read, (), instead="tag"),
            SaveItem(read, "a", item("tag", "b")),
            RemoveItem(read, "tag", "a"),
        )
        for change in changes:
            with pytest.raises(NamespaceChanged, match="OS::A"):
                await store.change(change)
        assert await everything(store) == before

    async def test_all_that_is_in_a_namespace_goes_with_it_but_its_resource_types(self, store: MetadefStore) -> None:
        await store.change(Delete(await kept(store, *items_of_every_kind())))
        assert await store.list_namespaces(EVERYTHING) == []
        assert len(await store.resource_types()) == 2
        assert (await store.read(Ask((await kept(store)).name, KINDS))).items == ()

    async def test_all_changes_of_a_call_happen_or_none(self, store: MetadefStore) -> None:
        read = await kept(store, item("tag", "a"))
        before = await everything(store)
        with pytest.raises(ItemExists):
            await store.change(
                Add(Contents(namespace("OS::B"), (item("resource_type", "T"),))),
                RemoveItem(read, "tag", "a"),
                AddItems(read, (item("tag", "b"), item("object", "c"), item("tag", "b"))),
            )
        assert await everything(store) == before
        await store.change(RemoveItem(read, "tag", "a"), AddItems(read, (item("tag", "a", CONTENT),)), Save(read))
        assert (await store.read(Ask("OS::A", ("tag",)))).items[0].content == CONTENT

    async def test_a_namespace_may_be_replaced_in_one_call(self, store: MetadefStore) -> None:
        read = await kept(store, item("tag", "a"))
        await store.change(Delete(read), Add(Contents(namespace(), (item("tag", "b"),))))
        assert await held(store, "tag") == ["b"]

    @pytest.mark.parametrize("kind", KINDS)
    async def test_a_name_is_one_items_only_among_those_of_its_kind(self, store: MetadefStore, kind: Kind) -> None:
        read = await kept(store, *(item(each, "a") for each in KINDS), item(kind, "b"))
        for change in (AddItems(read, (item(kind, "a"),)), SaveItem(read, "b", item(kind, "a"))):
            with pytest.raises(ItemExists, match="'a'"):
                await store.change(change)
        with pytest.raises(ItemExists, match="'c'"):
            await store.change(AddItems(read, (item(kind, "c"), item(kind, "c"))))
        with pytest.raises(ItemExists, match="'c'"):
            await store.change(Add(Contents(namespace("OS::B"), (item(kind, "c"), item(kind, "c")))))
        assert await held(store, kind) == ["a", "b"]

    @pytest.mark.parametrize("kind", KINDS)
    async def test_an_item_is_replaced_renamed_and_removed(self, store: MetadefStore, kind: Kind) -> None:
        read = await kept(store, *items_of_every_kind())
        await store.change(SaveItem(read, "A b::/%", item(kind, "A b::/%", Raw(b"{}"), at=LATER)))
        await store.change(SaveItem(read, "A b::/%", item(kind, "y", Raw(b'{"x":1}'), at=LATER)))
        first, _ = (await store.read(Ask("OS::A", (kind,)))).items
        assert (first.name, first.content, first.created_at, first.updated_at) == ("y", Raw(b'{"x":1}'), NOW, LATER)
        await store.change(RemoveItem(read, kind, "y"))
        assert await held(store, kind) == ["z ☃ 😀"]
        assert len((await store.read(Ask("OS::A", KINDS))).items) == 2 * len(KINDS) - 1

    @pytest.mark.parametrize("kind", KINDS)
    async def test_an_item_that_is_not_there_is_neither_saved_nor_removed(
        self, store: MetadefStore, kind: Kind
    ) -> None:
        read = await kept(store, *(item(each, "a") for each in KINDS if each != kind))
        for change in (SaveItem(read, "a", item(kind, "b")), RemoveItem(read, kind, "a")):
            with pytest.raises(ItemNotFound, match="'a'"):
                await store.change(change)
        assert await held(store, kind) == []

    @pytest.mark.parametrize("kind", KINDS)
    async def test_all_items_of_a_kind_are_removed_or_replaced_at_once(self, store: MetadefStore, kind: Kind) -> None:
        read = await kept(store, *items_of_every_kind())
        await store.change(AddItems(read, (item(kind, "b"), item(kind, "a")), instead=kind))
        assert await held(store, kind) == ["a", "b"]
        await store.change(*(AddItems(read, (), instead=kind) for _ in range(2)))
        assert await held(store, kind) == []
        assert len((await store.read(Ask("OS::A", KINDS))).items) == 2 * (len(KINDS) - 1)

    async def test_of_many_who_replace_the_tags_each_replaces_all(self, store: MetadefStore) -> None:
        read = await kept(store)
        sets = [tuple(item("tag", name) for name in ("all", f"{number}-a", f"{number}-b")) for number in range(8)]
        await asyncio.gather(*(store.change(AddItems(read, tags, instead="tag")) for tags in sets))
        assert await held(store, "tag") in [sorted(each.name for each in tags) for tags in sets]

    async def test_numbers_grow_with_every_namespace_and_item(self, store: MetadefStore) -> None:
        first = await kept(store, item("tag", "z"), item("tag", "a"))
        second = await kept(store, name="OS::B")
        assert first.number < second.number
        await store.change(AddItems(first, (item("tag", "m"),)))
        items = (await store.read(Ask("OS::A", KINDS))).items
        assert [each.name for each in sorted(items, key=lambda each: each.number)] == ["z", "a", "m"]

    async def test_resource_types_are_listed_in_the_order_they_came_and_stay(self, store: MetadefStore) -> None:
        read = await kept(store, item("resource_type", "C"), item("resource_type", "B"), item("tag", "T"))
        await store.change(AddItems(read, (item("resource_type", "A", at=LATER),)))
        await kept(store, item("resource_type", "B", at=LATER), name="OS::B")
        await store.change(RemoveItem(read, "resource_type", "B"))
        types = [(each.name, each.created_at) for each in await store.resource_types()]
        assert types == [("B", NOW), ("C", NOW), ("A", LATER)]

    async def test_resource_types_are_forgotten_only_when_none_is_associated(self, store: MetadefStore) -> None:
        read = await kept(store, item("resource_type", "A"), item("resource_type", "B"))
        await store.change(RemoveItem(read, "resource_type", "B"), ForgetResourceTypes())
        assert [each.name for each in await store.resource_types()] == ["A"]


class ListConformance:
    """What every driver proves of `list_namespaces`."""

    async def test_a_project_sees_its_own_and_public_ones(self, store: MetadefStore) -> None:
        for owner in ("p1", "p2"):
            for visibility in ("public", "private"):
                await kept(store, name=f"{owner} {visibility}", owner=owner, visibility=visibility)
        mine = NamespaceQuery(project_id="p1")
        assert set(names(await store.list_namespaces(mine))) == {"p1 public", "p1 private", "p2 public"}
        for nobody in (None, "\0"):
            query = replace(mine, project_id=nobody)
            assert set(names(await store.list_namespaces(query))) == {"p1 public", "p2 public"}
        assert len(await store.list_namespaces(replace(mine, is_admin=True))) == 4
        assert names(await store.list_namespaces(replace(mine, visibility="private"))) == ["p1 private"]
        assert names(await store.list_namespaces(replace(mine, marker="p1 private"))) == ["p1 public"]
        with pytest.raises(NamespaceNotFound):
            await store.list_namespaces(replace(mine, marker="p2 private"))

    async def test_the_newest_comes_first_and_of_one_moment_the_last_that_came(self, store: MetadefStore) -> None:
        await kept(store, name="young", created_at=LATER)
        await kept(store, name="b")
        await kept(store, name="a")
        assert names(await store.list_namespaces(EVERYTHING)) == ["young", "a", "b"]
        assert names(await store.list_namespaces(replace(EVERYTHING, direction="asc"))) == ["b", "a", "young"]

    @pytest.mark.parametrize("direction", ["asc", "desc"])
    @pytest.mark.parametrize("key", get_args(NamespaceKey))
    async def test_a_walk_by_any_key_meets_each_once_in_order(
        self, store: MetadefStore, key: NamespaceKey, direction: Any
    ) -> None:
        for number, text in enumerate(["Z", None, "a", "", "ä", "Z", None]):
            await kept(
                store,
                name=f"{'bdacgfe'[number]}",
                display_name=text,
                description=text,
                owner=text or "p",
                visibility="public" if number % 2 else "private",
                protected=number % 3 == 0,
                created_at=NOW + timedelta(seconds=number % 2),
                updated_at=NOW + timedelta(seconds=number % 3),
            )
        query = replace(EVERYTHING, sort_key=key, direction=direction)
        listed = await store.list_namespaces(query)
        values = [getattr(each.namespace, "name" if key == "namespace" else key) or "" for each in listed]
        assert values == sorted(values, key=str, reverse=direction == "desc")
        walked: list[str] = []
        while page := await store.list_namespaces(replace(query, limit=2, marker=walked[-1] if walked else None)):
            walked += names(page)
        assert walked == names(listed)
        assert sorted(walked) == list("abcdefg")

    async def test_what_is_associated_with_any_of_the_types_is_kept(self, store: MetadefStore) -> None:
        await kept(store, item("resource_type", "A"), item("resource_type", "B"), name="ab")
        await kept(store, item("resource_type", "B"), item("tag", "C"), name="b")
        await kept(store, name="none")
        for types, expected in (
            (("A",), ["ab"]),
            (("A", "B"), ["b", "ab"]),
            (("C", "a", "\0"), []),
            ((), []),
            (None, ["none", "b", "ab"]),
        ):
            assert names(await store.list_namespaces(replace(EVERYTHING, resource_types=types))) == expected

    async def test_a_marker_need_not_fulfil_the_filters(self, store: MetadefStore) -> None:
        for name, visibility in (("a", "public"), ("b", "private"), ("c", "public")):
            await kept(store, name=name, visibility=visibility)
        query = replace(EVERYTHING, visibility="public", marker="b")
        assert names(await store.list_namespaces(query)) == ["a"]

    async def test_each_comes_with_its_items_of_the_kinds(self, store: MetadefStore) -> None:
        await kept(store, *items_of_every_kind())
        (listed,) = await store.list_namespaces(NamespaceQuery(project_id="p1"))
        assert [each.kind for each in listed.items] == ["resource_type"] * 2
        (listed,) = await store.list_namespaces(EVERYTHING)
        assert listed == await store.read(Ask("OS::A", KINDS))

    async def test_a_page_of_none_is_empty(self, store: MetadefStore) -> None:
        await kept(store)
        assert await store.list_namespaces(replace(EVERYTHING, limit=0)) == []


class MetadefConformance(ChangeConformance, ListConformance):
    """What every driver that offers metadata definitions proves of them."""

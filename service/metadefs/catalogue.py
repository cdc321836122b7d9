"""Loading, exporting and unloading namespaces: what to change is worked out first, then changed all at once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

from msgspec.structs import replace

from drivers.metadefs.errors import NamespaceChanged, NamespaceExists, NamespaceNotFound
from drivers.metadefs.protocol import MetadefStore
from drivers.metadefs.records import (
    KINDS,
    Add,
    AddItems,
    Change,
    Contents,
    Delete,
    ForgetResourceTypes,
    NamespaceQuery,
    Save,
    SaveItem,
)
from service.metadefs.bodies import NewNamespace
from service.metadefs.files import Source, write_files
from service.metadefs.items import child_items, new_namespace

Mode = Literal["skip", "merge", "update", "replace"]
EVERYTHING = NamespaceQuery(
    project_id=None, is_admin=True, sort_key="namespace", direction="asc", limit=None, kinds=KINDS
)


class Step(NamedTuple):
    """What happens to one namespace, in a word, and the changes that make it happen."""

    name: str
    word: str
    changes: tuple[Change, ...]


async def load(
    store: MetadefStore, sources: Sequence[Source], mode: Mode, owner: str, now: datetime, *, dry_run: bool
) -> list[Step]:
    """Load namespaces in one transaction; `mode` says what becomes of those that are there already (section 12.3).

    `skip` leaves them as they are; `merge` adds the items that are missing; `update` also replaces fields and items by
    those of the file; `replace` removes what was there. A dry run changes nothing, and tells the same.
    """
    wished = [_contents(source.namespace, owner, now) for source in sources]

    def decide(kept: Mapping[str, Contents]) -> list[Step]:
        return [_step(each, kept.get(each.namespace.name), mode) for each in wished]

    return await _carry_out(store, decide, dry_run=dry_run)


async def export(store: MetadefStore, folder: Path) -> list[Path]:
    """Write every namespace into a folder, as of one moment; give the files. Raises FilesRefused."""
    return write_files(folder, await store.list_namespaces(EVERYTHING))


async def unload(store: MetadefStore, names: Sequence[str], *, dry_run: bool) -> list[Step]:
    """Delete the namespaces of these names, protected or not, in one transaction; without names all, and the types.

    Raises NamespaceNotFound, and then nothing is deleted.
    """

    def decide(kept: Mapping[str, Contents]) -> list[Step]:
        for name in names:
            if name not in kept:
                raise NamespaceNotFound(name)
        steps = [Step(name, "deleted", (Delete(kept[name].namespace),)) for name in dict.fromkeys(names or kept)]
        return steps if names else [*steps, Step("resource types", "forgotten", (ForgetResourceTypes(),))]

    return await _carry_out(store, decide, dry_run=dry_run)


async def _carry_out(
    store: MetadefStore, decide: Callable[[Mapping[str, Contents]], list[Step]], *, dry_run: bool
) -> list[Step]:
    while True:
        kept = {contents.namespace.name: contents for contents in await store.list_namespaces(EVERYTHING)}
        steps = decide(kept)
        if not dry_run:
            try:
                await store.change(*(change for step in steps for change in step.changes))
            except (NamespaceChanged, NamespaceExists):
                continue  # somebody else was faster: look again
        return steps


def _contents(new: NewNamespace, owner: str, now: datetime) -> Contents:
    return Contents(new_namespace(new, owner, now), child_items(new, now))


def _step(wished: Contents, kept: Contents | None, mode: Mode) -> Step:
    name = wished.namespace.name
    if kept is None:
        return Step(name, "added", (Add(wished),))
    return Step(name, WORDS[mode], tuple(CHANGES[mode](wished, kept)))


def _skip(wished: Contents, kept: Contents) -> Iterable[Change]:
    return ()


def _merge(wished: Contents, kept: Contents) -> Iterable[Change]:
    there = {(item.kind, item.name) for item in kept.items}
    missing = tuple(item for item in wished.items if (item.kind, item.name) not in there)
    if missing:
        yield AddItems(kept.namespace, missing)


def _update(wished: Contents, kept: Contents) -> Iterable[Change]:
    there = {(item.kind, item.name): item for item in kept.items}
    for item in wished.items:
        before = there.get((item.kind, item.name))
        if before is not None and before.content != item.content:
            yield SaveItem(kept.namespace, item.name, item)
    yield from _merge(wished, kept)
    # Last, because whoever saves the namespace's own fields makes it another than the one that was read.
    same = replace(wished.namespace, **{name: getattr(kept.namespace, name) for name in NOT_IN_FILES})
    if same != kept.namespace:
        yield Save(replace(same, updated_at=wished.namespace.updated_at))


def _replace(wished: Contents, kept: Contents) -> Iterable[Change]:
    return Delete(kept.namespace), Add(wished)


NOT_IN_FILES = ("number", "revision", "created_at", "updated_at")
WORDS: Mapping[Mode, str] = MappingProxyType(
    {"skip": "skipped", "merge": "merged", "update": "updated", "replace": "replaced"}
)
CHANGES: Mapping[Mode, Callable[[Contents, Contents], Iterable[Change]]] = MappingProxyType(
    {"skip": _skip, "merge": _merge, "update": _update, "replace": _replace}
)

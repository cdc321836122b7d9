"""`vitrine metadefs`: the standard catalogue and any other goes in and out whole, or not at all (section 12)."""

import asyncio
import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from drivers.registry import open_store
from service.metadefs.catalogue import EVERYTHING
from tests.environments import standard_catalogue
from tests.metadefs import FRAGMENT, WHOLE
from tests.processes import environment, vitrine
from tests.test_metadef_drivers import offered

# Of glance 33.0.0, as its wheel carries them.
STANDARD_FILES = 32


@pytest.fixture(scope="session")
def standard() -> Path:
    """Give the folder of the standard catalogue."""
    return standard_catalogue()


async def run(database: str, *arguments: str | Path, status: int = 0) -> tuple[str, str]:
    """Run one command on a database; give its output and errors."""
    code, output, errors = await vitrine("metadefs", *map(str, arguments), env=environment(store=database))
    assert code == status, output + errors
    assert "Traceback" not in errors
    return output, errors


async def kept(database: str) -> dict[str, Any]:
    """Read all that is kept, by name, without what only the store decides."""
    images = await open_store(database)
    listed = await offered(images).list_namespaces(EVERYTHING)
    await images.close()
    return {
        contents.namespace.name: (
            contents.namespace.owner,
            contents.namespace.visibility,
            {(item.kind, item.name): json.loads(bytes(item.content)) for item in contents.items},
        )
        for contents in listed
    }


def folder(path: Path, *documents: dict[str, Any]) -> Path:
    """Write documents into a folder of their own."""
    path.mkdir()
    for number, document in enumerate(documents):
        (path / f"{number}.json").write_text(json.dumps(document))
    return path


def bytes_of(path: Path, pattern: str = "*") -> dict[str, bytes]:
    """Read the files of a folder."""
    return {each.name: each.read_bytes() for each in sorted(path.glob(pattern))}


class TestTheStandardCatalogue:
    async def test_it_is_loaded_whole(self, database: str, standard: Path) -> None:
        output, _ = await run(database, "load", standard)
        assert output.endswith(f"{STANDARD_FILES} added\n")
        held = await kept(database)
        for document in map(json.loads, bytes_of(standard, "*.json").values()):
            owner, visibility, items = held.pop(document["namespace"])
            assert (owner, visibility) == ("admin", document.get("visibility", "private"))
            assert {name for kind, name in items if kind == "property"} == document.get("properties", {}).keys()
            for each in document.get("objects", []):
                assert items["object", each["name"]]["properties"].keys() == each["properties"].keys()
            for each in document["resource_type_associations"]:
                assert items["resource_type", each["name"]].get("prefix", "") == each.get("prefix", "")
        assert held == {}

    async def test_loading_it_again_changes_nothing(self, database: str, standard: Path) -> None:
        await run(database, "load", standard)
        before = await kept(database)
        for mode, word in (([], "skipped"), (["--update"], "updated"), (["--replace"], "replaced")):
            output, _ = await run(database, "load", *mode, standard)
            assert output.endswith(f"{STANDARD_FILES} {word}\n")
            assert await kept(database) == before

    async def test_what_is_exported_loaded_and_exported_again_is_the_same_to_the_byte(
        self, database: str, standard: Path, tmp_path: Path
    ) -> None:
        folder(tmp_path / "own", WHOLE, odd_document())
        await run(database, "load", standard)
        await run(database, "load", tmp_path / "own")
        await run(database, "export", tmp_path / "first")
        await run(database, "unload")
        assert await kept(database) == {}
        await run(database, "load", tmp_path / "first")
        await run(database, "export", tmp_path / "second")
        assert bytes_of(tmp_path / "first") == bytes_of(tmp_path / "second")
        assert len(bytes_of(tmp_path / "first")) == STANDARD_FILES + 2


def odd_document() -> dict[str, Any]:
    """Make a namespace of what is seldom there, whose name makes the file name of another."""
    fragment = {**FRAGMENT, "default": None, "minimum": 1.50, "maximum": 10**30, "items": {"type": "string"}}
    return {
        "namespace": "OS++A",
        "description": "",
        "objects": [{"name": "o", "required": ["z", "a"], "properties": {"z": fragment, "a": FRAGMENT}}],
        "properties": {"\u00c7 \U0001f600": fragment},
        "protected": True,
    }


OLD: dict[str, Any] = {
    "namespace": "a",
    "owner": "p1",
    "visibility": "public",
    "properties": {"p": {"title": "old", "type": "string"}, "only old": FRAGMENT},
    "tags": [{"name": "t"}],
}
NEW: dict[str, Any] = {"namespace": "a", "properties": {"p": {"title": "new", "type": "string"}, "only new": FRAGMENT}}


class TestModes:
    @pytest.mark.parametrize(
        ("mode", "owner", "visibility", "title", "names"),
        [
            ([], "p1", "public", "old", {"p", "only old", "t"}),
            (["--merge"], "p1", "public", "old", {"p", "only old", "only new", "t"}),
            (["--update"], "ops", "private", "new", {"p", "only old", "only new", "t"}),
            (["--replace"], "ops", "private", "new", {"p", "only new"}),
        ],
        ids=str,
    )
    async def test_each_does_its_own_to_what_is_there(
        self,
        database: str,
        tmp_path: Path,
        mode: Sequence[str],
        owner: str,
        visibility: str,
        title: str,
        names: set[str],
    ) -> None:
        await run(database, "load", folder(tmp_path / "old", OLD))
        before = await kept(database)
        new = folder(tmp_path / "new", NEW, {"namespace": "b"})
        dry, _ = await run(database, "load", *mode, "--owner", "ops", "--dry-run", new)
        assert await kept(database) == before
        wet, _ = await run(database, "load", *mode, "--owner", "ops", new)
        assert dry.splitlines()[:2] == wet.splitlines()[:2]
        assert "added: b" in wet
        held = await kept(database)
        assert held["b"] == ("ops", "private", {})
        items = held["a"][2]
        assert held["a"][:2] == (owner, visibility)
        assert {name for _, name in items} == names
        assert items["property", "p"]["title"] == title

    async def test_two_modes_are_one_too_many(self, database: str, tmp_path: Path) -> None:
        _, errors = await run(database, "load", "--merge", "--replace", tmp_path, status=2)
        assert "not allowed" in errors


# Each of these documents keeps all others from being loaded, and is told with these words.
BAD_FILES: dict[bytes, str] = {
    b"{": "Malformed JSON",
    b"\xff": "Malformed JSON",
    b"[]": "not a JSON object",
    b"{}": "namespace",
    b'{"namespace": "a\\u0000"}': "U+0000",
    b'{"namespace": "x", "properties": {"p": {"title": "P", "type": "word"}}}': "properties.p.type: ",
    b'{"namespace": "x", "objects": [{"name": "o", "properties": {"q": {}}}]}': "objects[0].properties.q: ",
    b'{"namespace": "x", "tags": [{"name": "t"}, {"name": "t"}]}': "tags: 't' is there twice",
    b'{"namespace": "x", "created_at": "now"}': "created_at",
    b'{"namespace": "good"}': "good.json as well",
}


class TestBadFiles:
    async def test_none_is_loaded_and_each_is_told_with_its_key(self, database: str, tmp_path: Path) -> None:
        (tmp_path / "good.json").write_text('{"namespace": "good"}')
        for number, document in enumerate(BAD_FILES):
            (tmp_path / f"x{number}.json").write_bytes(document)
        errors = (await run(database, "load", tmp_path, status=1))[1].splitlines()
        assert errors.pop() == "vitrine: nothing was done"
        for number, (line, words) in enumerate(zip(errors, BAD_FILES.values(), strict=True)):
            assert line.startswith(f"vitrine: {tmp_path}/x{number}.json: ")
            assert words in line
        assert await kept(database) == {}

    async def test_a_path_without_files_is_told(self, database: str, tmp_path: Path) -> None:
        for path in (tmp_path, tmp_path / "nothing", tmp_path / "nothing.json"):
            assert str(path) in (await run(database, "load", path, status=1))[1]


class TestExport:
    async def test_a_folder_that_holds_files_already_is_left_alone(self, database: str, tmp_path: Path) -> None:
        old = folder(tmp_path / "old", {"namespace": "a"})
        await run(database, "load", old)
        assert str(old) in (await run(database, "export", old, status=1))[1]
        assert len(bytes_of(old)) == 1

    async def test_names_that_make_one_file_name_make_two_files(self, database: str, tmp_path: Path) -> None:
        names = ["A::B", "A:B", "a-b", "...", "\U0001f600" * 80, "\u00e4" * 80]
        await run(database, "load", folder(tmp_path / "old", *({"namespace": name} for name in names)))
        await run(database, "export", tmp_path / "new")
        assert sorted(bytes_of(tmp_path / "new")) == [
            *("A-B-2.json", "A-B.json", "a-b-3.json", "namespace-2.json", "namespace-3.json", "namespace.json")
        ]
        found = {json.loads(each)["namespace"] for each in bytes_of(tmp_path / "new").values()}
        assert found == set(names)


class TestUnload:
    async def test_what_is_named_goes_protected_or_not_and_the_rest_stays(self, database: str, tmp_path: Path) -> None:
        await run(database, "load", folder(tmp_path / "old", WHOLE | {"protected": True}, {"namespace": "b"}))
        assert "'x'" in (await run(database, "unload", "b", "x", status=1))[1]
        await run(database, "unload", "--dry-run", "OS::A")
        assert (await kept(database)).keys() == {"OS::A", "b"}
        await run(database, "unload", "OS::A")
        assert (await kept(database)).keys() == {"b"}

    async def test_without_names_all_goes_and_resource_types_too(self, database: str, tmp_path: Path) -> None:
        await run(database, "load", folder(tmp_path / "old", WHOLE))
        await run(database, "unload")
        images = await open_store(database)
        store = offered(images)
        assert (await store.list_namespaces(EVERYTHING), await store.resource_types()) == ([], [])
        await images.close()


async def test_memory_is_refused_unless_nothing_is_to_be_done(tmp_path: Path) -> None:
    path = folder(tmp_path / "old", WHOLE)
    for arguments in (("load", path), ("export", tmp_path / "new"), ("unload",)):
        assert "memory://" in (await run("memory://", *arguments, status=1))[1]
    assert "added: OS::A" in (await run("memory://", "load", "--dry-run", path))[0]


async def test_a_database_that_was_not_migrated_says_how(empty_database: str, tmp_path: Path) -> None:
    path = folder(tmp_path / "old", WHOLE)
    assert "vitrine migrate" in (await run(empty_database, "load", path, status=1))[1]


async def test_a_terminal_sees_how_far_it_is_and_a_file_does_not(database: str, tmp_path: Path) -> None:
    path = folder(tmp_path / "old", WHOLE, {"namespace": "b"})
    assert (await run(database, "load", path))[1] == ""
    seen = await _on_a_terminal(database, "metadefs", "load", str(path))
    assert "reading 1 of 2: 0.json" in seen
    assert "reading 2 of 2: 1.json" in seen


async def _on_a_terminal(database: str, *arguments: str) -> str:
    """Run a command whose errors are a terminal; give what that saw."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "service",
        *arguments,
        env=environment(store=database),
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    assert await process.wait() == 0
    os.close(theirs)
    seen = os.read(ours, 100_000).decode()
    os.close(ours)
    return seen

"""Namespaces as files: one JSON object each, shaped as the body that creates one (section 12.2)."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from drivers.metadefs.records import Contents
from service.body import decode_json
from service.metadefs.bodies import NewNamespace, read_namespace
from service.metadefs.wire import named_content
from service.refusals import BadRequest, Forbidden

# A file system takes names of up to 255 bytes; what is cut off matters only where two names differ in nothing else.
STEM_LIMIT = 100


class FilesRefused(Exception):
    """Some files cannot be used; each problem names the file, and the key where there is one."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Source(NamedTuple):
    """One namespace and the file that it is from."""

    path: Path
    namespace: NewNamespace


def read_files(path: Path, progress: Callable[[int, int, str], None]) -> list[Source]:
    """Read a file, or every `*.json` of a folder in the order of their names, as strictly as the API does.

    `progress` is told how many of how many were read, and what comes next. Raises FilesRefused with every problem of
    every file.
    """
    paths = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not paths:
        raise FilesRefused([f"{path}: there is no *.json in this folder."])
    sources: dict[str, Source] = {}
    problems: list[str] = []
    for number, each in enumerate(paths):
        progress(number, len(paths), each.name)
        try:
            source = Source(each, _read_file(each))
            _refuse_doublets(source, sources)
        except (BadRequest, Forbidden, OSError) as error:
            problems.append(f"{each}: {error.strerror if isinstance(error, OSError) else error}")
        else:
            sources[source.namespace.namespace] = source
    progress(len(paths), len(paths), "")
    if problems:
        raise FilesRefused(problems)
    return list(sources.values())


def _read_file(path: Path) -> NewNamespace:
    document = decode_json(path.read_bytes())
    if not isinstance(document, dict):
        raise BadRequest("The file is not a JSON object.")
    return read_namespace(document)


def _refuse_doublets(source: Source, sources: dict[str, Source]) -> None:
    new = source.namespace
    if new.namespace in sources:
        raise BadRequest(f"namespace: '{new.namespace}' is in {sources[new.namespace].path.name} as well.")
    for key in ("resource_type_associations", "objects", "tags"):
        names = [each.name for each in getattr(new, key) or ()]
        if twice := {name for name in names if names.count(name) > 1}:
            raise BadRequest(f"{key}: '{min(twice)}' is there twice.")


def write_files(folder: Path, listed: Iterable[Contents]) -> list[Path]:
    """Write one file for each namespace into a folder, which is made if need be.

    What was loaded from such files and is written again is the same to the byte. Raises FilesRefused when the folder
    holds `*.json` already: a later load could not tell what belongs together.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.glob("*.json")):
        raise FilesRefused([f"{folder}: there is *.json in this folder already; choose an empty one."])
    written: list[Path] = []
    for contents in sorted(listed, key=lambda contents: contents.namespace.name):
        path = _free_path(folder, contents.namespace.name, written)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(_document(contents)), indent=4) + b"\n")
        written.append(path)
    return written


def _free_path(folder: Path, name: str, taken: Sequence[Path]) -> Path:
    """Make a file's name of a namespace's: the same one in every export of the same namespaces."""
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip(".-")[:STEM_LIMIT] or "namespace"
    names = {path.name.lower() for path in taken}
    candidates = (f"{stem}{suffix}.json" for suffix in ("", *(f"-{number}" for number in range(2, len(taken) + 2))))
    return folder / next(each for each in candidates if each.lower() not in names)


def _document(contents: Contents) -> dict[str, Any]:
    namespace = contents.namespace
    document = {
        "namespace": namespace.name,
        "display_name": namespace.display_name,
        "description": namespace.description,
        "visibility": namespace.visibility,
        "protected": namespace.protected,
        "owner": namespace.owner,
        "resource_type_associations": [named_content(each) for each in contents.of("resource_type")],
        "properties": {each.name: each.content for each in contents.of("property")},
        "objects": [named_content(each) for each in contents.of("object")],
        "tags": [{"name": each.name} for each in contents.of("tag")],
    }
    return {key: value for key, value in document.items() if value not in (None, [], {})}

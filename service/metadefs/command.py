"""`vitrine metadefs`: load, export and unload the catalogue of metadata definitions (section 12.3)."""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drivers.memory import open_memory
from drivers.metadefs.protocol import MetadefStore, metadefs_of
from drivers.options import StoreOptions
from drivers.registry import find_driver
from service.metadefs.catalogue import Step, export, load, unload
from service.metadefs.files import FilesRefused, read_files
from service.settings import Settings, SettingsError

CLEAR_LINE = "\r\x1b[K"


def add_metadefs_commands(commands: Any, run: Callable[[argparse.Namespace], int]) -> None:
    """Add `metadefs` to a parser's commands; `run` is given what was understood."""
    group = commands.add_parser("metadefs", help="load, export or unload the metadata definitions of VITRINE_STORE")
    group.set_defaults(run=run)
    actions = group.add_subparsers(metavar="ACTION", required=True)
    command = actions.add_parser("load", help="load namespaces from JSON files, all or none")
    command.add_argument("path", metavar="DIR", type=Path, help="a folder of *.json files, or one file")
    modes = command.add_mutually_exclusive_group()
    for mode, text in (
        ("merge", "add what is missing to namespaces that are there (default: skip them)"),
        ("update", "as --merge, and overwrite what the files say otherwise"),
        ("replace", "delete namespaces that are there, and load them afresh"),
    ):
        modes.add_argument(f"--{mode}", dest="mode", action="store_const", const=mode, help=text)
    command.add_argument("--owner", default="admin", help="owner of namespaces whose file names none (default: admin)")
    _add_dry_run(command)
    command.set_defaults(act=_load, mode="skip")
    command = actions.add_parser("export", help="write every namespace into a JSON file that load understands")
    command.add_argument("path", metavar="DIR", type=Path, help="a folder without *.json files; made if need be")
    command.set_defaults(act=_export, dry_run=False)
    command = actions.add_parser("unload", help="delete namespaces, protected ones too, all or none")
    command.add_argument("names", metavar="NAMESPACE", nargs="*", help="which (default: all, and all resource types)")
    _add_dry_run(command)
    command.set_defaults(act=_unload)


def _add_dry_run(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dry-run", action="store_true", help="change nothing; only tell what would happen")


async def run_metadefs_command(parsed: argparse.Namespace, settings: Settings) -> int:
    """Run one of the commands; return its exit code. Raises SettingsError or StoreError."""
    url = settings.store.reveal()
    opener = find_driver(url)
    if opener is open_memory and not parsed.dry_run:
        raise SettingsError("VITRINE_STORE is memory://, which no other process can see: name a database.")
    store = await opener(url, StoreOptions(pool=1, timeout=settings.store_timeout))
    try:
        metadefs = metadefs_of(store)
        if metadefs is None:
            raise SettingsError("The driver of VITRINE_STORE keeps no metadata definitions.")
        return int(await parsed.act(parsed, metadefs))
    except FilesRefused as error:
        sys.stderr.writelines(f"vitrine: {problem}\n" for problem in error.problems)
        sys.stderr.write("vitrine: nothing was done\n")
        return 1
    finally:
        await store.close()


async def _load(parsed: argparse.Namespace, store: MetadefStore) -> int:
    sources = read_files(parsed.path, _progress)
    now = datetime.now(UTC)
    _tell(await load(store, sources, parsed.mode, parsed.owner, now, dry_run=parsed.dry_run), dry_run=parsed.dry_run)
    return 0


async def _export(parsed: argparse.Namespace, store: MetadefStore) -> int:
    written = await export(store, parsed.path)
    _say(f"{len(written)} files written to {parsed.path}")
    return 0


async def _unload(parsed: argparse.Namespace, store: MetadefStore) -> int:
    _tell(await unload(store, parsed.names, dry_run=parsed.dry_run), dry_run=parsed.dry_run)
    return 0


def _tell(steps: Sequence[Step], *, dry_run: bool) -> None:
    for step in steps:
        _say(f"{step.word}: {step.name}")
    counts = Counter(step.word for step in steps)
    summary = ", ".join(f"{count} {word}" for word, count in counts.items()) or "nothing to do"
    _say(f"{summary}{'; nothing was changed (--dry-run)' if dry_run else ''}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _progress(done: int, total: int, name: str) -> None:
    """Tell a person at a terminal how far reading is, in one line that is gone at the end."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{CLEAR_LINE}reading {done + 1} of {total}: {name}" if name else CLEAR_LINE)
        sys.stderr.flush()

"""Vitrine beside Glance, each as operators run it, in one table: `python -m tests.bench.peer`."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from types import FrameType
from typing import NamedTuple, NoReturn

from tests.bench.load import CONNECTIONS, NothingMeasured, load, wrk
from tests.bench.peers import COUNT, Peer, glance, vitrine
from tests.bench.transfers import download, fetch, registered, upload
from tests.glance import memcached
from tests.keystone import running_keystone
from tests.postgres import running_postgres

PATCH = "application/openstack-images-v2.1-json-patch"
IMAGE = '{"name": "made-RANDOM", "disk_format": "raw", "container_format": "bare", "colour": "red", "tags": ["made"]}'
CHANGE = '[{"op": "replace", "path": "/name", "value": "changed-RANDOM"}]'
MIB = 2**20
ROW = "{:<34} {:>14} {:>14} {:>8} {:>8}  {}"


class Measure(NamedTuple):
    """One line of the table: how it is taken from a server, and how many times the peer's it is to be.

    `small` is where less is better; the ratio says how many times better all the same.
    """

    name: str
    unit: str
    target: float | None
    take: Callable[[Peer, argparse.Namespace], float]
    small: bool = False


def requests(path: str, connections: int = CONNECTIONS) -> Callable[[Peer, argparse.Namespace], float]:
    """Measure how many GETs of a path are answered in a second, once the first has been."""

    def take(peer: Peer, parsed: argparse.Namespace) -> float:
        fetch(peer, path)
        return load(peer.url, parsed.seconds, peer.token, peer.listed([path]), connections=connections).rate

    return take


def shows(peer: Peer, parsed: argparse.Namespace) -> float:
    """Measure shows of one image that has ten properties and five tags."""
    return requests(f"/v2/images/{peer.shown}")(peer, parsed)


def creates(peer: Peer, parsed: argparse.Namespace) -> float:
    """Measure creates of images without data."""
    made = ("POST", "application/json", IMAGE)
    return load(peer.url, parsed.seconds, peer.token, peer.listed(["/v2/images"]), *made).rate


def changes(peer: Peer, parsed: argparse.Namespace) -> float:
    """Measure changes of a name, each request to an image at random, all of which exist alike on both sides."""
    paths = peer.listed([f"/v2/images/{image}" for image in peer.images])
    return load(peer.url, parsed.seconds, peer.token, paths, "PATCH", PATCH, CHANGE).rate


def uploads(peer: Peer, parsed: argparse.Namespace) -> float:
    """Measure one upload, in MiB a second; keeps the image for the download."""
    return upload(peer, registered(peer), parsed.mib)


def downloads(peer: Peer, parsed: argparse.Namespace) -> float:
    """Measure one download of what was uploaded last, in MiB a second."""
    return download(peer, parsed.mib)


MEASURES = (
    Measure("ready after start", "s", None, lambda peer, _: peer.started, small=True),
    Measure("memory at rest (RSS)", "MiB", 3, lambda peer, _: peer.memory("Rss"), small=True),
    Measure("memory at rest (PSS)", "MiB", 3, lambda peer, _: peer.memory("Pss"), small=True),
    Measure("show", "/s", 40, shows),
    Measure(f"list 25 of {COUNT:,}", "/s", 30, requests("/v2/images?limit=25")),
    Measure("list 25 by a property", "/s", 30, requests("/v2/images?limit=25&colour=red")),
    Measure("list 25 by a tag", "/s", None, requests("/v2/images?limit=25&tag=of-ten-3")),
    Measure("list 1,000 (4 connections)", "/s", 30, requests("/v2/images?limit=1000", connections=4)),
    Measure("memory after lists (RSS)", "MiB", None, lambda peer, _: peer.memory("Rss"), small=True),
    Measure("memory after lists (PSS)", "MiB", None, lambda peer, _: peer.memory("Pss"), small=True),
    Measure("PATCH", "/s", 10, changes),
    Measure("create", "/s", 10, creates),
    Measure("upload", "MiB/s", 2.5, uploads),
    Measure("download", "MiB/s", 3, downloads),
    Measure("memory after transfers (RSS)", "MiB", None, lambda peer, _: peer.memory("Rss"), small=True),
)


def main() -> None:
    """Start both, ask both in turns, and print a line for each measure as soon as it is taken."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peer", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=5, help="seconds of a turn (default: %(default)s)")
    parser.add_argument("--mib", type=int, default=1024, help="size of what is transferred (default: %(default)s)")
    parser.add_argument("--only", default="", help="measures whose names hold this")
    parsed = parser.parse_args()
    wrk()
    memcached()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "keystone").mkdir()
        keystone = stack.enter_context(running_keystone(folder / "keystone"))
        server = stack.enter_context(running_postgres(durable=True))
        peers = [stack.enter_context(start(server, keystone, folder)) for start in (glance, vitrine)]
        show(
            ROW.format(f"{CONNECTIONS} connections, {os.cpu_count()} cores", "Glance", "Vitrine", "ratio", "target", "")
        )
        for measure in MEASURES:
            if parsed.only in measure.name:
                show(line(measure, [taken(measure, peers, parsed) for _ in range(parsed.rounds)]))


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    # An ordinary exit, so that every server is stopped.
    sys.exit(128 + number)


def taken(measure: Measure, peers: Sequence[Peer], parsed: argparse.Namespace) -> Mapping[str, float | str]:
    """Take one measure from each; where one cannot be taken, the reason stands in its place."""
    found: dict[str, float | str] = {}
    for peer in peers:
        try:
            found[peer.name] = measure.take(peer, parsed)
        except NothingMeasured as error:
            found[peer.name] = str(error)
    return found


def line(measure: Measure, turns: Sequence[Mapping[str, float | str]]) -> str:
    """Write medians of all turns, and the median of the turns' ratios."""
    reasons = [value for turn in turns for value in turn.values() if isinstance(value, str)]
    pairs = [
        (glance, vitrine)
        for glance, vitrine in (turn.values() for turn in turns)
        if not isinstance(glance, str) and not isinstance(vitrine, str)
    ]
    if not pairs:
        return ROW.format(measure.name, "-", "-", "-", measure.target or "", reasons[0])
    theirs, ours = (median(column) for column in zip(*pairs, strict=True))
    ratio = median(glance / vitrine if measure.small else vitrine / glance for glance, vitrine in pairs)
    missed = measure.target is not None and ratio < measure.target
    cells = f"{theirs:.1f} {measure.unit}", f"{ours:.1f} {measure.unit}", f"{ratio:.1f}"
    return ROW.format(measure.name, *cells, measure.target or "", "missed" if missed else "")


def show(text: str) -> None:
    """Print a line at once."""
    print(text.rstrip(), flush=True)  # noqa: T201 - what a benchmark is for


if __name__ == "__main__":
    main()

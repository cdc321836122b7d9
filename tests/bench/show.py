"""How fast a show is beside a bare aiohttp handler that returns the same bytes: `python -m tests.bench.show`."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from types import FrameType
from typing import NoReturn

from tests.bench.data import COUNT, TOKEN, images, path
from tests.bench.load import CONNECTIONS, Sample, measure, wrk
from tests.bench.servers import Server, ask, bench_app, fill_database, vitrine
from tests.databases import filled_database
from tests.postgres import running_postgres

BARE = "bare handler"
HEADINGS = ("server", "req/s", "ratio", "p50 ms", "p99 ms", "CPU us/req", "CPU ratio")
ROW = "{:<22} {:>8} {:>6} {:>7} {:>7} {:>11} {:>10}"


def main() -> None:
    """Start every server, measure them in turns, and print two tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.show", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each server (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=2, help="seconds of a turn (default: %(default)s)")
    parsed = parser.parse_args()
    wrk()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = _start(stack, folder)
        _compare_answers(servers)
        for what, count in (("One image", 1), (f"{COUNT:,} images, each request one at random", COUNT)):
            paths = folder / f"paths-{count}"
            paths.write_text("".join(f"{path(image)}\n" for image in images()[:count]))
            samples = _measure(servers, paths, parsed.rounds, parsed.seconds)
            title = f"{what}; {CONNECTIONS} connections, {parsed.rounds} x {parsed.seconds} s"
            print(f"\n{_table(title, samples)}", flush=True)  # noqa: T201 - this is what the command is for


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    # An ordinary exit, so that every server is stopped.
    sys.exit(128 + number)


def _start(stack: ExitStack, folder: Path) -> dict[str, Server]:
    database = stack.enter_context(filled_database(stack.enter_context(running_postgres()), fill_database))
    return {
        BARE: stack.enter_context(bench_app("bare")),
        "memory": stack.enter_context(bench_app("memory")),
        "postgres": stack.enter_context(vitrine(database, folder)),
        "postgres, token cache": stack.enter_context(bench_app("cached", database)),
    }


def _compare_answers(servers: Mapping[str, Server]) -> None:
    for image in images()[:3]:
        answers = {name: ask(server.url + path(image)) for name, server in servers.items()}
        different = [name for name, answer in answers.items() if answer != answers[BARE]]
        if different:
            raise SystemExit(f"Other bytes than those of the bare handler come from: {', '.join(different)}.")


def _measure(servers: Mapping[str, Server], paths: Path, rounds: int, seconds: int) -> dict[str, list[Sample]]:
    """Measure in turns, so that what else the machine does meets all alike, once each has warmed up."""
    samples: dict[str, list[Sample]] = {name: [] for name in servers}
    for server in servers.values():
        measure(server.url, server.pid, TOKEN, paths, 1)
    for _ in range(rounds):
        for name, server in servers.items():
            samples[name].append(measure(server.url, server.pid, TOKEN, paths, seconds))
    return samples


def _table(title: str, samples: Mapping[str, Sequence[Sample]]) -> str:
    """Write medians; the ratios are medians of those to the bare handler's turn of the same round."""
    lines = [f"{title}; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", ROW.format(*HEADINGS)]
    for name, turns in samples.items():
        rate, p50, p99, cpu = (median(column) for column in zip(*turns, strict=True))
        pairs = list(zip(turns, samples[BARE], strict=True))
        rates = median(turn.rate / bare.rate for turn, bare in pairs)
        cpus = median(turn.cpu / bare.cpu for turn, bare in pairs)
        cells = f"{rate:.0f}", f"{rates:.2f}", f"{p50:.2f}", f"{p99:.2f}", f"{cpu:.1f}", f"{cpus:.2f}"
        lines.append(ROW.format(name, *cells))
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""The load of the benchmark: `wrk` against one server, and what that cost the server's process."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

CONNECTIONS = 32
SCRIPT = Path(__file__).with_name("load.lua")


class NothingMeasured(SystemExit):
    """A server did not do what was to be measured; the text says what happened instead."""


class Report(msgspec.Struct, frozen=True):
    """What `load.lua` prints when it is done; times in microseconds."""

    requests: int
    duration: int
    p50: int
    p99: int
    failed: int

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.duration * 1e6


class Sample(NamedTuple):
    """One run: requests per second, latencies in milliseconds, and the server's CPU per request in microseconds."""

    rate: float
    p50: float
    p99: float
    cpu: float


def wrk() -> str:
    """Find the load generator; raises SystemExit that tells how to get it."""
    found = shutil.which("wrk")
    if found is None:
        raise SystemExit("The load comes from wrk, which is not here: apt-get install wrk (macOS: brew install wrk).")
    return found


def measure(url: str, pid: int, token: str, paths: Path, seconds: int, connections: int = CONNECTIONS) -> Sample:
    """Ask a server for the paths listed in a file, over all connections at once; raises SystemExit on any failure."""
    before = cpu_seconds(pid)
    report = load(url, seconds, token, str(paths), connections=connections)
    spent = cpu_seconds(pid) - before
    return Sample(report.rate, report.p50 / 1e3, report.p99 / 1e3, spent / report.requests * 1e6)


def load(url: str, seconds: int, *arguments: str, connections: int = CONNECTIONS) -> Report:
    """Send requests as `load.lua` makes them; raises NothingMeasured if any fails, or none is answered in time."""
    limits = [f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
    command = [wrk(), "-t1", *limits, "-s", str(SCRIPT), url, "--", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=seconds + 60)
    report = msgspec.json.decode(done.stdout.splitlines()[-1], type=Report)
    if report.failed or not report.requests:
        raise NothingMeasured(f"{report.failed} of {report.requests} requests to {url} failed.")
    return report


def cpu_seconds(pid: int) -> float:
    """Give the CPU time a process has used so far, in user mode and in the kernel (proc(5), fields 14 and 15)."""
    # The second field, the program's name in parentheses, may hold blanks itself.
    fields: Sequence[str] = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

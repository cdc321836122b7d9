"""Runs a program on untrusted data: no network, no environment, and by Landlock no files but those it is given."""

import asyncio
import json
import os
import platform
import signal
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from service.convert import launcher
from service.convert.filter import filter_for

LAUNCHER = (sys.executable, "-I", "-S", str(Path(launcher.__file__)))
# Where programs find the libraries, modules and time zones of their system.
LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache")
# Bytes of what a program says that are kept.
HEARD = 4096
# Seconds that a program may take that does next to nothing.
TRIAL = 60


class SandboxFailed(Exception):
    """The program could not be run confined, and so was not run at all; the text says why."""


class Bounds(NamedTuple):
    """What a program may use: seconds, of the clock as of all its threads' work, memory and size of a file in bytes."""

    seconds: float
    memory: int
    file_size: int


class Ended(NamedTuple):
    """How a program ended: its exit code, negative for a signal, None where its time was up; and what it said."""

    code: int | None
    said: str


class Sandbox(NamedTuple):
    """A way to run programs; `readable` are the files and folders that each may read, and run programs from."""

    bounds: Bounds
    filter: bytes
    landlock: int
    readable: Sequence[str] = LIBRARIES

    async def run(self, command: Sequence[str], *, inputs: Sequence[int] = (), outputs: Sequence[int] = ()) -> Ended:
        """Run a program, named by its path, to its end or that of its time.

        It may open the files of these descriptors by `path_of`, to read or to write them. Raises SandboxFailed.
        """
        process = await asyncio.create_subprocess_exec(
            *self._launch(command, inputs, outputs),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            env={},
            cwd="/",
            pass_fds=(*inputs, *outputs),
            start_new_session=True,
        )
        ended = await self._awaited(process)
        if ended.code == launcher.FAILED:
            raise SandboxFailed(ended.said)
        return ended

    def check(self, command: Sequence[str], *, inputs: Sequence[int] = (), outputs: Sequence[int] = ()) -> None:
        """Run a program that succeeds at once, as `run` would. Raises SandboxFailed."""
        launch, passed = self._launch(command, inputs, outputs), (*inputs, *outputs)
        options: dict[str, Any] = {"env": {}, "cwd": "/", "pass_fds": passed, "timeout": TRIAL, "capture_output": True}
        try:
            ended = subprocess.run(launch, check=False, **options)  # noqa: S603 - our own launcher
        except subprocess.TimeoutExpired:
            raise SandboxFailed(f"a trial did not end within {TRIAL} seconds") from None
        if ended.returncode != 0:
            raise SandboxFailed(ended.stderr.decode(errors="replace").strip() or f"it ended with {ended.returncode}")

    async def _awaited(self, process: Process) -> Ended:
        said = asyncio.create_task(_heard(process.stderr))
        try:
            async with asyncio.timeout(self.bounds.seconds):
                code = await process.wait()
        except TimeoutError:
            code = None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):  # it has just ended
                    os.killpg(process.pid, signal.SIGKILL)
            await asyncio.gather(process.wait(), said)
        return Ended(code, said.result())

    def _launch(self, command: Sequence[str], inputs: Sequence[int], outputs: Sequence[int]) -> Sequence[str]:
        asked = {
            "command": command,
            "parent": os.getpid(),
            "seconds": max(1, round(self.bounds.seconds)),
            "memory": self.bounds.memory,
            "file_size": self.bounds.file_size,
            "filter": self.filter.hex(),
            "landlock": self.landlock,
            "readable": self.readable,
            "inputs": inputs,
            "outputs": outputs,
        }
        return *LAUNCHER, json.dumps(asked)


def path_of(descriptor: int) -> str:
    """Name the file of a descriptor, also one that has no name any more, for a program that inherits it."""
    return f"/proc/self/fd/{descriptor}"


def open_sandbox(bounds: Bounds) -> Sandbox:
    """Make a sandbox of what the kernel offers. Raises SandboxFailed where that is too little."""
    machine = platform.machine()
    calls = filter_for(machine)
    if sys.platform != "linux" or calls is None:
        raise SandboxFailed(f"it needs Linux on x86-64 or 64-bit ARM, and this is {sys.platform} on {machine}")
    return Sandbox(bounds, calls, launcher.landlock_version())


async def _heard(stream: asyncio.StreamReader | None) -> str:
    """Read all that a program says, and keep the beginning."""
    heard = b""
    while stream and (piece := await stream.read(HEARD)):
        heard += piece[: HEARD - len(heard)]
    return heard.decode(errors="replace").strip()

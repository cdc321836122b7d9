"""A story: a class whose public methods are its steps, done in the order they are written."""

import hashlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

Result = TypeVar("Result")

BYTES = 8 * 2**20
WAIT_SECONDS = 60.0


class Cloud(NamedTuple):
    """What a story needs to know; it arrives as JSON in the only argument."""

    auth_url: str
    password: str
    region: str
    files_url: str
    folder: str


class Step(NamedTuple):
    """What came of one step; `error` is empty where all was as expected."""

    name: str
    error: str
    seconds: float


class Content:
    """Bytes that no other image has, and what their checksums are."""

    def __init__(self, size: int = BYTES) -> None:
        self.bytes = os.urandom(size)
        self.md5 = hashlib.md5(self.bytes, usedforsecurity=False).hexdigest()
        self.sha512 = hashlib.sha512(self.bytes).hexdigest()


def cloud() -> Cloud:
    """Read the argument."""
    return Cloud(**json.loads(sys.argv[1]))


def tell(story: object) -> None:
    """Do every step, and print a line of JSON for each. A step that fails is told, and the next one tried."""
    for name, step in _steps(story):
        start, error = time.monotonic(), ""
        try:
            step()
        except Exception:  # noqa: BLE001 - whatever a client may raise is what came of the step
            error = traceback.format_exc(limit=-3)
        print(json.dumps(Step(name, error, time.monotonic() - start)._asdict()), flush=True)  # noqa: T201 - the result


def _steps(story: object) -> Iterator[tuple[str, Callable[[], None]]]:
    for name in vars(type(story)):
        if not name.startswith("_"):
            yield name.replace("_", " "), getattr(story, name)


def equal(found: object, wanted: object) -> None:
    """Raise AssertionError that shows both, unless they are the same."""
    if found != wanted:
        raise AssertionError(f"{found!r} instead of {wanted!r}")


def refused(kind: type[Exception], call: Callable[[], object]) -> None:
    """Raise AssertionError unless the call raises an error of that kind."""
    try:
        call()
    except kind:
        return
    raise AssertionError(f"it was allowed, instead of {kind.__name__}")


def wait_for(look: Callable[[], Result], good: Callable[[Result], bool]) -> Result:
    """Look again and again until what is seen is good; raises AssertionError with the last seen after a minute."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        seen = look()
        if good(seen):
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"still {seen!r}")
        time.sleep(0.2)


def write(folder: str, name: str, content: Content) -> Path:
    """Keep the bytes in a file."""
    path = Path(folder) / name
    path.write_bytes(content.bytes)
    return path

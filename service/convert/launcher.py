"""Gives up all that a program does not need, then becomes that program; run as a script, by itself.

Each step holds for whoever it becomes, and cannot be taken back: limits (setrlimit), no new privileges, Landlock
(Linux 5.13), seccomp.
"""

import ctypes
import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterator
from typing import Any

# The exit code of a launch that failed; what becomes of the program has others.
FAILED = 125
# The program's whole environment. Each thread's own heap would count as memory that it takes.
ENVIRONMENT = {"LC_ALL": "C", "MALLOC_ARENA_MAX": "1"}
# What programs open to see how files behave, and lose nothing by.
DEVICE = "/dev/null"
FILES = 64
# Of the account, which other containers of the node may share: they are to find room, a bomb of threads is not.
THREADS = 4096
# Requests go first.
NICE = 10

# linux/prctl.h, linux/seccomp.h
PDEATHSIG, SECCOMP, NO_NEW_PRIVS = 1, 22, 38
FILTER_MODE = 2
# linux/landlock.h; the calls have these numbers on every machine.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
PATH_BENEATH = 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE = 1, 2, 4, 8, 1 << 14
READING = EXECUTE | READ_FILE | READ_DIR
# Of each version, from the first, the last right to files that it knows; the fourth knows ports, the sixth signals.
LAST_RIGHT = (12, 13, 14, 14, 15)
ALL_PORTS = ALL_SIGNALS = 3


def landlock_version() -> int:
    """Tell which version of Landlock the kernel has; 0 if none, or none that is on."""
    return max(0, _call(CREATE_RULESET, None, 0, 1))


def main(asked: dict[str, Any]) -> None:
    """Become the program of `command`; return only by an OSError, which says what could not be done."""
    _die_with_parent(asked["parent"])
    os.nice(NICE)
    _limit(asked)
    _check("prctl", _libc().prctl(NO_NEW_PRIVS, 1, 0, 0, 0))
    if asked["landlock"]:
        _restrict_files(asked)
    _restrict_calls(bytes.fromhex(asked["filter"]))
    os.execve(asked["command"][0], asked["command"], ENVIRONMENT)  # noqa: S606 - that is the point


def _die_with_parent(parent: int) -> None:
    _check("prctl", _libc().prctl(PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    if os.getppid() != parent:
        raise ProcessLookupError("the service has ended meanwhile")


def _limit(asked: dict[str, Any]) -> None:
    limits = {
        resource.RLIMIT_CPU: asked["seconds"],
        resource.RLIMIT_AS: asked["memory"],
        resource.RLIMIT_FSIZE: asked["file_size"],
        resource.RLIMIT_NOFILE: FILES,
        resource.RLIMIT_NPROC: THREADS,
        resource.RLIMIT_CORE: 0,
    }
    for kind, wanted in limits.items():
        highest = resource.getrlimit(kind)[1]
        limit = wanted if highest == resource.RLIM_INFINITY else min(wanted, highest)
        resource.setrlimit(kind, (limit, limit))


def _restrict_files(asked: dict[str, Any]) -> None:
    """Leave the program what it may read, and of the files of these descriptors what it may do with them."""
    version = asked["landlock"]
    rights = (2 << LAST_RIGHT[min(version, len(LAST_RIGHT)) - 1]) - 1
    ruleset = struct.pack("=QQQ", rights, ALL_PORTS * (version >= 4), ALL_SIGNALS * (version >= 6))
    # Older kernels take the longer description, if it says nothing that they do not know.
    rules = _check("landlock_create_ruleset", _call(CREATE_RULESET, ruleset, len(ruleset), 0))
    for descriptor, allowed in _allowed(asked):
        rule = struct.pack("=Qi", allowed & rights, descriptor)
        _check("landlock_add_rule", _call(ADD_RULE, rules, PATH_BENEATH, rule, 0))
    _check("landlock_restrict_self", _call(RESTRICT_SELF, rules, 0))


def _allowed(asked: dict[str, Any]) -> Iterator[tuple[int, int]]:
    for path in (asked["command"][0], *asked["readable"]):
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        yield descriptor, READING if os.path.isdir(path) else READING & ~READ_DIR  # noqa: PTH112 - pathlib is slow to load
    yield os.open(DEVICE, os.O_PATH | os.O_CLOEXEC), READ_FILE | WRITE_FILE
    yield from ((descriptor, READ_FILE) for descriptor in asked["inputs"])
    yield from ((descriptor, READ_FILE | WRITE_FILE | TRUNCATE) for descriptor in asked["outputs"])


def _restrict_calls(program: bytes) -> None:
    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))

    filtering = Program(len(program) // 8, program)
    _check("seccomp", _libc().prctl(SECCOMP, FILTER_MODE, ctypes.byref(filtering), 0, 0))


def _call(number: int, *arguments: bytes | int | None) -> int:
    words = (ctypes.c_long(each) if isinstance(each, int) else each for each in arguments)
    return int(_libc().syscall(ctypes.c_long(number), *words))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(call: str, result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{call}: {os.strerror(ctypes.get_errno())}")
    return result


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(FAILED)

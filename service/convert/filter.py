"""The system calls of a program that only computes, and reads and writes files (seccomp, Linux 3.17)."""

import errno
import struct
from collections.abc import Iterator, Mapping
from types import MappingProxyType

# A call's name and its number on x86-64 and on 64-bit ARM (asm/unistd_64.h, asm-generic/unistd.h). No sockets, no
# signals to others, no files renamed or removed, no mounts, keys or tracing; that none is made is up to Landlock.
CALLS = """
read 0 63, write 1 64, pread64 17 67, pwrite64 18 68, readv 19 65, writev 20 66, preadv 295 69, pwritev 296 70,
open 2 -, openat 257 56, close 3 57, lseek 8 62, stat 4 -, fstat 5 80, lstat 6 -, newfstatat 262 79, statx 332 291,
access 21 -, faccessat 269 48, faccessat2 439 439, readlink 89 -, readlinkat 267 78, getdents64 217 61,
fcntl 72 25, dup 32 23, ftruncate 77 46, fallocate 285 47, fsync 74 82, fdatasync 75 83, fadvise64 221 223,
copy_file_range 326 285,
brk 12 214, mmap 9 222, munmap 11 215, mprotect 10 226, mremap 25 216, madvise 28 233,
futex 202 98, set_robust_list 273 99, set_tid_address 218 96, rseq 334 293, membarrier 324 283,
sched_getaffinity 204 123, sched_yield 24 124, gettid 186 178, clone 56 220, exit 60 93, exit_group 231 94,
execve 59 221, arch_prctl 158 -, rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139,
sigaltstack 131 132, signalfd4 289 74, restart_syscall 219 128, poll 7 -, ppoll 271 73, pselect6 270 72,
epoll_create1 291 20, epoll_ctl 233 21, epoll_wait 232 -, epoll_pwait 281 22, eventfd2 290 19, pipe2 293 59,
clock_gettime 228 113, clock_getres 229 114, clock_nanosleep 230 115, nanosleep 35 101,
getpid 39 172, getuid 102 174, geteuid 107 175, getgid 104 176, getegid 108 177, getcwd 79 17, uname 63 160,
sysinfo 99 179, getrandom 318 278, ioctl 16 29
"""
# Of each machine, what the kernel calls it (linux/audit.h), and the column of its numbers.
MACHINES: Mapping[str, tuple[int, int]] = MappingProxyType({"x86_64": (0xC000003E, 1), "aarch64": (0xC00000B7, 2)})

# linux/filter.h: load a word of the call's description, compare, return.
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
NUMBER, MACHINE, FIRST, SECOND = 0, 4, 16, 24
KILL, REFUSE, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
CLONE_THREAD = 0x10000
# F_SETOWN, F_SETSIG and F_SETOWN_EX: they choose whom the kernel is to send a signal.
SIGNALLING = (8, 10, 15)


def calls_of(machine: str) -> dict[str, int] | None:
    """Give the numbers of the calls that are allowed, on a machine as `uname -m` names it; None for one not known."""
    if machine not in MACHINES:
        return None
    column = MACHINES[machine][1]
    rows = (row.split() for row in CALLS.replace("\n", " ").split(","))
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


def filter_for(machine: str) -> bytes | None:
    """Give the filter of a machine; None for one that is not known.

    A call that is not allowed is one that the kernel does not have, so that C libraries make do without it.
    """
    calls = calls_of(machine)
    return None if calls is None else b"".join(_program(MACHINES[machine][0], calls))


def _program(machine: int, calls: Mapping[str, int]) -> Iterator[bytes]:
    yield _step(LOAD, MACHINE)
    yield _step(EQUAL, machine, jump=1)
    yield _step(RETURN, KILL)
    yield _step(LOAD, NUMBER)
    # Threads, but no processes.
    yield from _if(
        EQUAL, calls["clone"], _step(LOAD, FIRST), *_if(ANY_BIT, CLONE_THREAD, _step(RETURN, ALLOW)), _no(errno.EPERM)
    )
    signalling = (step for command in SIGNALLING for step in _if(EQUAL, command, _no(errno.EPERM)))
    yield from _if(EQUAL, calls["fcntl"], _step(LOAD, SECOND), *signalling, _step(RETURN, ALLOW))
    # As of a file that is no device: nobody asks again.
    yield from _if(EQUAL, calls["ioctl"], _no(errno.ENOTTY))
    for number in calls.values():
        yield from _if(EQUAL, number, _step(RETURN, ALLOW))
    yield _no(errno.ENOSYS)


def _if(comparison: int, value: int, *steps: bytes) -> Iterator[bytes]:
    """Take these steps where the word that was loaded compares so, else the one behind them."""
    yield struct.pack("=HBBI", comparison, 0, len(steps), value)
    yield from steps


def _no(error: int) -> bytes:
    return _step(RETURN, REFUSE | error)


def _step(code: int, value: int, *, jump: int = 0) -> bytes:
    return struct.pack("=HBBI", code, jump, 0, value)

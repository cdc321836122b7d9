"""The sandbox of converters, from within: a program that means harm, and everything that it may not do."""

import asyncio
import fcntl
import os
import platform
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from service.convert.filter import calls_of, filter_for
from service.convert.sandbox import LIBRARIES, Bounds, Ended, Sandbox, SandboxFailed, open_sandbox, path_of

PYTHON = str(Path(getattr(sys, "_base_executable", sys.executable)).resolve())
BOUNDS = Bounds(seconds=60, memory=1 << 30, file_size=1 << 20)
# What the program says when it is refused; whatever it says else shows what it got.
HARM = """
import ctypes, errno, fcntl, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)
try:
    done = {act}
except OSError as refusal:
    done = errno.errorcode[refusal.errno]
except MemoryError:
    done = "ENOMEM"
sys.stderr.write(str(done))
"""
REFUSED = {"EACCES", "EPERM", "ENOSYS"}


def confined(bounds: Bounds = BOUNDS, landlock: int | None = None) -> Sandbox:
    """Make a sandbox in which Python finds its own files."""
    sandbox = open_sandbox(bounds)
    library = str(Path(os.__file__).parent)
    version = sandbox.landlock if landlock is None else landlock
    return sandbox._replace(readable=(*LIBRARIES, library, f"{sys.base_prefix}/lib"), landlock=version)


async def tried(
    act: str, sandbox: Sandbox | None = None, *, inputs: Sequence[int] = (), outputs: Sequence[int] = ()
) -> Ended:
    """Let a program do an expression of Python; give how it ended, and what it says came of it."""
    program = HARM.replace("{act}", act)
    return await (sandbox or confined()).run([PYTHON, "-I", "-S", "-c", program], inputs=inputs, outputs=outputs)


async def refusal(
    act: str, sandbox: Sandbox | None = None, *, inputs: Sequence[int] = (), outputs: Sequence[int] = ()
) -> str:
    """Give what a program says came of what it did, if it went on from there."""
    ended = await tried(act, sandbox, inputs=inputs, outputs=outputs)
    assert ended.code == 0, ended
    return ended.said


@pytest.fixture
def landlock() -> None:
    """Skip where the kernel has no Landlock, of which the test is."""
    if not open_sandbox(BOUNDS).landlock:
        pytest.skip("this kernel has no Landlock, or it is off")


async def test_it_computes_and_starts_threads() -> None:
    assert await refusal("sum(range(10))") == "45"
    thread = "__import__('threading').Thread(target=lambda: sys.stderr.write('thread '))"
    assert await refusal(f"[each for t in [{thread}] for each in (t.start(), t.join())]") == "thread [None, None]"


@pytest.mark.parametrize("landlock", [None, 0], ids=["", "without Landlock"])
@pytest.mark.parametrize(
    "act",
    [
        "socket.socket()",
        "socket.socket(socket.AF_UNIX)",
        "socket.socketpair()",
        "os.fork()",
        "call('vfork')",
        "os.posix_spawn('/bin/true', ['true'], {})",
        f"os.kill({os.getpid()}, 0)",
        f"os.kill({os.getpid()}, 9)",
        f"fcntl.fcntl(2, fcntl.F_SETOWN, {os.getpid()})",
        "fcntl.fcntl(2, fcntl.F_SETSIG, 9)",
        f"call('ptrace', 16, {os.getpid()}, 0, 0)",
        f"call('prlimit', {os.getpid()}, 7, bytes(16), None)",
        "call('process_vm_readv', 1, None, 0, None, 0, 0)",
        "call('mount', b'none', b'/tmp', b'tmpfs', 0, None)",
        "call('unshare', 0x10000000)",
        "call('setns', 0, 0)",
        "call('personality', 0)",
        "call('memfd_create', b'x', 0)",
        "call('syscall', 321, 0, None, 0)",
        "call('syscall', 250, 0)",
        "call('syscall', 425, 1, None)",
        "call('syscall', 438, 0, 0, 0)",
        "call('prctl', 4, 1, 0, 0, 0)",
        "os.setuid(0)",
        "os.nice(-5)",
        "os.chmod('/tmp', 0o777)",
        "os.mkdir('/tmp/vitrine-sandbox')",
        "os.symlink('/tmp', '/tmp/vitrine-sandbox')",
        "os.unlink('/tmp/vitrine-sandbox')",
        "os.rename('/tmp/vitrine-sandbox', '/tmp/vitrine-sandbox-2')",
    ],
)
async def test_it_reaches_nobody_and_changes_nothing(act: str, landlock: int | None) -> None:
    assert await refusal(act, confined(landlock=landlock)) in REFUSED


async def test_no_system_call_of_another_machine_is_let_in() -> None:
    # The calls of the x32 interface, as numbers: none is a way around the names above.
    assert await refusal(f"call('syscall', {0x40000000 + 41}, 2, 1, 0)") == "ENOSYS"


async def test_its_environment_is_empty() -> None:
    assert await refusal("sorted(os.environ)") == "['LC_ALL', 'MALLOC_ARENA_MAX']"


async def test_it_inherits_no_file_that_it_was_not_given() -> None:
    with TemporaryFile() as secret, TemporaryFile() as given:
        os.set_inheritable(secret.fileno(), True)
        assert await refusal(f"os.fstat({secret.fileno()})") == "EBADF"
        assert await refusal(f"os.fstat({given.fileno()}).st_size", inputs=[given.fileno()]) == "0"


@pytest.mark.usefixtures("landlock")
async def test_it_reads_no_file_of_others(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    for path in (secret, "/etc/passwd", "/proc/self/environ", f"/proc/{os.getpid()}/environ", "/dev/zero"):
        assert await refusal(f"open('{path}').read()") == "EACCES"
    assert await refusal(f"os.listdir('{tmp_path}')") == "EACCES"


@pytest.mark.usefixtures("landlock")
async def test_it_writes_no_file_of_others(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    for path, mode in (("new", "w"), ("file", "w"), ("file", "a"), ("file", "r+")):
        assert await refusal(f"open('{tmp_path}/{path}', '{mode}').write('changed')") == "EACCES"
    assert [each.read_text() for each in tmp_path.iterdir()] == ["kept"]


@pytest.mark.usefixtures("landlock")
async def test_it_becomes_no_other_program(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(Path("/bin/true").read_bytes())
    program.chmod(0o755)
    assert await refusal(f"os.execv('{program}', ['program'])") == "EACCES"


@pytest.mark.usefixtures("landlock")
async def test_it_reads_what_it_is_given_to_read_and_writes_what_it_is_given_to_write() -> None:
    with TemporaryFile() as source, TemporaryFile() as target:
        source.write(b"data")
        source.flush()
        inputs, outputs = [source.fileno()], [target.fileno()]
        reading, writing = path_of(source.fileno()), path_of(target.fileno())
        assert (
            await refusal(
                f"open('{writing}', 'wb').write(open('{reading}', 'rb').read())", inputs=inputs, outputs=outputs
            )
            == "4"
        )
        assert await refusal(f"open('{reading}', 'r+b')", inputs=inputs, outputs=outputs) == "EACCES"
        assert os.pread(target.fileno(), 100, 0) == b"data"


async def test_its_memory_its_files_and_their_size_have_an_end() -> None:
    assert await refusal("bytearray(2 << 30)") == "ENOMEM"
    assert await refusal("[os.dup(2) for _ in range(100)]") == "EMFILE"
    with TemporaryFile() as target:
        outputs = [target.fileno()]
        writing = f"open('{path_of(target.fileno())}', 'wb', buffering=0)"
        assert await refusal(f"{writing}.truncate(1 << 21)", outputs=outputs) == "EFBIG"
        assert os.fstat(target.fileno()).st_size == 0
        assert await refusal(f"{writing}.write(bytes(1 << 21))", outputs=outputs) == str(BOUNDS.file_size)


@pytest.mark.parametrize("act", ["[0 for _ in iter(int, 1)]", "__import__('time').sleep(3600)"], ids=["busy", "idle"])
async def test_its_time_has_an_end(act: str) -> None:
    ended = await tried(act, confined(BOUNDS._replace(seconds=1)))
    assert ended.code in {None, -signal.SIGKILL, -signal.SIGXCPU}


async def test_it_can_say_as_much_as_it_likes_and_little_is_kept() -> None:
    ended = await tried("sys.stderr.write('x' * (1 << 24)) and ''")
    assert (ended.code, set(ended.said), len(ended.said)) == (0, {"x"}, 4096)


async def test_it_does_not_outlive_who_waits_for_it() -> None:
    with TemporaryFile() as held:
        lock = f"fcntl.fcntl(os.open('{path_of(held.fileno())}', os.O_RDWR), 38, {bytes_of_a_lock()!r})"
        running = asyncio.create_task(tried(f"{lock} and __import__('time').sleep(3600)", outputs=[held.fileno()]))
        async with asyncio.timeout(30):
            while not locked(held.fileno()):  # noqa: ASYNC110 - another process takes it
                await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert not locked(held.fileno())


def bytes_of_a_lock() -> bytes:
    """Describe a lock on a whole file, to be taken (struct flock)."""
    return fcntl.F_WRLCK.to_bytes(2, sys.byteorder) + bytes(30)


def locked(descriptor: int) -> bool:
    """Tell whether somebody else has a lock on a file (F_OFD_GETLK)."""
    found = fcntl.fcntl(descriptor, 36, bytes_of_a_lock())
    return int.from_bytes(found[:2], sys.byteorder) != fcntl.F_UNLCK


async def test_a_program_that_is_not_there_is_not_run() -> None:
    with pytest.raises(SandboxFailed, match="No such file"):
        await confined().run(["/nowhere"])
    with pytest.raises(SandboxFailed, match="No such file"):
        confined().check(["/nowhere"])


def test_every_machine_that_is_known_has_the_same_calls_but_for_its_older_ones() -> None:
    intel, arm = calls_of("x86_64"), calls_of("aarch64")
    assert intel is not None
    assert arm is not None
    assert intel.keys() - arm.keys() == {
        "open",
        "stat",
        "lstat",
        "access",
        "readlink",
        "arch_prctl",
        "poll",
        "epoll_wait",
    }
    assert arm.keys() <= intel.keys()
    assert filter_for("riscv64") is None
    assert filter_for(platform.machine()) is not None

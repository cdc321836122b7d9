"""Any server as a process of its own: started, waited for, stopped whatever happens."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
START_SECONDS = 60.0


@contextmanager
def running(
    command: Sequence[str | Path],
    url: str,
    log: Path,
    environ: Mapping[str, str] | None = None,
    stop: int = signal.SIGTERM,
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command in the repository's folder until the context ends; give it once something answers at the URL.

    Of the service's own variables it gets those in `environ` and no others. Raises RuntimeError, with the end of its
    log, if it does not come up.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("VITRINE_", "OS_"))}
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=inherited | dict(environ or {}),
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
    try:
        if not _up(process, url):
            raise RuntimeError(f"{command[0]} does not serve {url}:\n{log.read_text(errors='replace')[-4000:]}")
        yield process
    finally:
        process.send_signal(stop)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _up(process: "subprocess.Popen[bytes]", url: str) -> bool:
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        if answers(url):
            return True
        time.sleep(0.02)
    return False


def answers(url: str) -> bool:
    """Tell whether a server is there, whatever it thinks of the request."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return error.code < 500
    except OSError:
        return False


def free_port() -> int:
    """Find a port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])

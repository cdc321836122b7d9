"""How fast data goes in and out, beside what bounds it on this machine: `python -m tests.bench.transfer`."""

import argparse
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from tests.bench.bare_upload import receive
from tests.bench.load import cpu_seconds
from tests.bench.servers import Server, vitrine
from tests.bench.wire import Wire
from tests.ceph import install, running_ceph
from tests.s3 import new_bucket
from tests.servers import free_port, running

GIB = 1 << 30
BLOCK = 1 << 20
NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log; {user}
events {{ }}
http {{
    access_log off; sendfile on; client_body_temp_path {folder}/body;
    server {{ listen 127.0.0.1:{port}; root {folder}/www; }}
}}
"""
HASHES = "limit: both hashes at once"
BARE = "limit: received, hashed and written"
NGINX_SENDS = "limit: nginx sends"
# A store of web servers takes no data, and so cannot be the only one.
WEB = "own=memory://,web=http://"
LOOPBACK = {"fetch_allowed_networks": "127.0.0.0/8", "allowed_ports": "1-65535"}
HEADINGS = ("", "MB/s", "of the limit", "server CPU s/GiB", "peak memory MiB")
ROW = "{:<36} {:>7} {:>13} {:>17} {:>16}"


class Sample(NamedTuple):
    """One transfer: seconds, and the seconds of CPU that the server's process used meanwhile."""

    seconds: float
    cpu: float = 0.0


def main() -> None:
    """Measure everything in turns, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.transfer", description=__doc__)
    parser.add_argument("--gib", type=int, default=1, help="size of the image (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (default: %(default)s)")
    parser.add_argument("--at-once", type=int, default=10, help="uploads at the same time (default: %(default)s)")
    help_ = "a further store, by its URL; `s3` alone is a Ceph RGW of this machine, as `python -m tests.ceph` has it"
    parser.add_argument("--store", action="append", default=[], metavar="URL", help=help_)
    parser.add_argument("--folder", type=Path, help="where files are kept (default: where temporary files are)")
    parsed = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=parsed.folder)))
        (folder / "www").mkdir()
        data = folder / "www" / "data"
        _fill(data, parsed.gib * GIB)
        # Memory holds an image twice while it is put together.
        stores = {"memory": "memory://"} if parsed.gib <= 2 else {}
        stores |= {"file": f"file://{folder}/blobs"}
        stores |= {url.partition(":")[0]: stack.enter_context(_ceph()) if url == "s3" else url for url in parsed.store}
        samples, peaks = _measure(folder, data, stores, parsed.rounds)
        print(_table(samples, peaks, data.stat().st_size), flush=True)  # noqa: T201 - what the command is for
        print(_at_once(folder, data, parsed.at_once), flush=True)  # noqa: T201 - the same


@contextmanager
def _ceph() -> Iterator[str]:
    install()
    with running_ceph() as cluster:
        yield new_bucket(cluster.endpoint)


def _fill(path: Path, size: int) -> None:
    noise = bytearray(os.urandom(BLOCK))
    with path.open("wb") as file:
        for number in range(size // BLOCK):
            noise[:8] = number.to_bytes(8, "big")
            file.write(noise)


def _measure(
    folder: Path, data: Path, stores: Mapping[str, str], rounds: int
) -> tuple[dict[str, list[Sample]], dict[str, float]]:
    samples: dict[str, list[Sample]] = {}
    peaks: dict[str, float] = {}

    def measured(name: str, work: Callable[[], object], server: Server | None = None) -> None:
        samples.setdefault(name, []).append(_timed(work, server))

    with ExitStack() as stack:
        nginx = stack.enter_context(_nginx(folder))
        servers = {name: stack.enter_context(vitrine("memory://", folder, stores=url)) for name, url in stores.items()}
        web = stack.enter_context(vitrine("memory://", folder, stores=WEB, do_secure_hash="false", **LOOPBACK))
        located = _located(Wire(web.url), f"{nginx.url}/data")
        for _ in range(rounds):
            measured(HASHES, lambda: _hash(data))
            measured("limit: copy and fsync", lambda: _copy(data, folder / "copy"))
            measured(BARE, lambda: receive(data, folder / "received"))
            measured(NGINX_SENDS, lambda: _get(nginx, "/data"), nginx)
            for name, server in servers.items():
                path = Wire(server.url).created()
                measured(f"{name}: upload", partial(_put, server, path, data), server)
                measured(f"{name}: download", partial(_get, server, f"{path}/file"), server)
                peaks[f"{name}: upload"] = _peak(server)
                Wire(server.url).call("DELETE", path)
            measured("http: download", partial(_get, web, f"{located}/file"), web)
        peaks["http: download"] = _peak(web)
    return samples, peaks


def _located(wire: Wire, url: str) -> str:
    """Create an image whose data is at a URL, and wait until it is; give its path."""
    path = wire.created()
    wire.call("POST", f"{path}/locations", msgspec.json.encode({"url": url}))
    while msgspec.json.decode(wire.call("GET", path))["status"] != "active":
        time.sleep(0.05)
    return path


def _timed(work: Callable[[], object], server: Server | None) -> Sample:
    cpu, start = cpu_seconds(server.pid) if server else 0.0, time.perf_counter()
    work()
    return Sample(time.perf_counter() - start, cpu_seconds(server.pid) - cpu if server else 0.0)


def _hash(data: Path) -> None:
    """Hash as the service does: two threads, a block at a time from the page cache."""

    def run(algorithm: str) -> None:
        digest = hashlib.new(algorithm)
        buffer = memoryview(bytearray(BLOCK))
        with data.open("rb", buffering=0) as file:
            while size := file.readinto(buffer):
                digest.update(buffer[:size])

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(run, ("md5", "sha512")))


def _copy(data: Path, to: Path) -> None:
    subprocess.run(["dd", f"if={data}", f"of={to}", "bs=1M", "conv=fsync", "status=none"], check=True)
    to.unlink()


def _put(server: Server, path: str, data: Path) -> None:
    Wire(server.url).put(f"{path}/file", data)


def _put_all(server: Server, paths: list[str], data: Path) -> None:
    with ThreadPoolExecutor(len(paths)) as threads:
        for upload in [threads.submit(_put, server, path, data) for path in paths]:
            upload.result()


def _get(server: Server, path: str) -> None:
    Wire(server.url).get(path)


@contextmanager
def _nginx(folder: Path) -> Iterator[Server]:
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise SystemExit("Downloads are compared with nginx, which is not here: apt-get install nginx-light.")
    port, config = free_port(), folder / "nginx.conf"
    user = "user root;" if os.getuid() == 0 else ""
    config.write_text(NGINX.format(folder=folder, port=port, user=user))
    (folder / "www" / "ready").write_text("yes")
    url = f"http://127.0.0.1:{port}"
    with running([program, "-c", str(config)], f"{url}/ready", folder / "nginx.log") as master:
        children = Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text().split()
        yield Server(url, int(children[0]))


def _peak(server: Server) -> float:
    """Tell the most MiB that the process ever had."""
    lines = Path(f"/proc/{server.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def _table(samples: Mapping[str, list[Sample]], peaks: Mapping[str, float], size: int) -> str:
    gib = size / GIB
    title = f"{gib:g} GiB, {len(next(iter(samples.values())))} turns; "
    lines = [f"{title}load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", ROW.format(*HEADINGS)]
    for name, turns in samples.items():
        limit = _limit(name, samples)
        ratio = median(bound.seconds / turn.seconds for bound, turn in zip(limit, turns, strict=True)) if limit else 0
        cells = (
            f"{size / 1e6 / median(turn.seconds for turn in turns):.0f}",
            f"{ratio:.2f}" if ratio else "",
            f"{median(turn.cpu for turn in turns) / gib:.2f}" if any(turn.cpu for turn in turns) else "",
            f"{peaks[name]:.0f}" if name in peaks else "",
        )
        lines.append(ROW.format(name, *cells))
    return "\n".join(lines)


def _limit(name: str, samples: Mapping[str, list[Sample]]) -> list[Sample]:
    if name.startswith("limit") and name != BARE:
        return []
    return samples[HASHES if name.endswith("upload") or name == BARE else NGINX_SENDS]


def _at_once(folder: Path, data: Path, count: int) -> str:
    """Upload several images at the same time to a store of files, and tell what that took."""
    with vitrine("memory://", folder, stores=f"file://{folder}/blobs") as server:
        paths = [Wire(server.url).created() for _ in range(count)]
        idle = _peak(server)
        took = _timed(partial(_put_all, server, paths, data), server)
        rate, peak = data.stat().st_size * count / 1e6 / took.seconds, _peak(server)
        return f"{count} uploads at once to files: {rate:.0f} MB/s, peak memory {peak:.0f} MiB ({idle:.0f} idle)"


if __name__ == "__main__":
    main()

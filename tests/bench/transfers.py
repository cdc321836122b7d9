"""Single requests and one big image up and down, by curl, which costs next to nothing itself."""

import shutil
import subprocess
from pathlib import Path
from random import Random

import msgspec

from tests.bench.load import NothingMeasured
from tests.bench.peers import Peer

BLOCK = 2**20


def fetch(peer: Peer, path: str) -> None:
    """Ask for a path once; raises NothingMeasured unless it is there."""
    status, _ = _curl(peer, f"{peer.url}{path}")
    if status != 200:
        raise NothingMeasured(f"{path} on {peer.name} was answered with {status}.")


def registered(peer: Peer) -> str:
    """Register an image to upload to, in place of the one before; give its id."""
    if peer.uploaded:
        _curl(peer, "-X", "DELETE", f"{peer.url}/v2/images/{peer.uploaded.pop()}")
    wanted = '{"name": "big", "disk_format": "raw", "container_format": "bare"}'
    kind = "Content-Type: application/json"
    status, _ = _curl(peer, "-d", wanted, "-H", kind, "-o", peer.path("made"), f"{peer.url}/v2/images")
    if status != 201:
        raise NothingMeasured(f"A create on {peer.name} was answered with {status}.")
    return str(msgspec.json.decode(peer.path("made").read_bytes())["id"])


def upload(peer: Peer, image: str, mib: int) -> float:
    """Send so many MiB; give how many went in a second. Raises NothingMeasured unless they are accepted."""
    source = _data(peer.path("data"), mib)
    headers = ["-H", "Content-Type: application/octet-stream", "-H", "Expect:"]
    status, seconds = _curl(peer, "-T", source, *headers, f"{peer.url}/v2/images/{image}/file")
    if status != 204:
        raise NothingMeasured(f"An upload to {peer.name} was answered with {status}.")
    peer.uploaded.append(image)
    return mib / seconds


def download(peer: Peer, mib: int) -> float:
    """Fetch what was uploaded last, and drop it; give MiB a second.

    Raises NothingMeasured unless it is the same bytes, which the first download of an image tells, not the timed one.
    """
    if not peer.uploaded:
        raise NothingMeasured(f"Nothing was uploaded to {peer.name}.")
    url, target = f"{peer.url}/v2/images/{peer.uploaded[-1]}/file", peer.path("downloaded")
    status, _ = _curl(peer, "-o", target, url)
    same = status == 200 and subprocess.run(["cmp", target, peer.path("data")], check=False).returncode == 0
    target.unlink(missing_ok=True)
    if not same:
        raise NothingMeasured(f"A download from {peer.name} was answered with {status}, or with other bytes.")
    status, seconds = _curl(peer, url)
    if status != 200:
        raise NothingMeasured(f"A download from {peer.name} was answered with {status}.")
    return mib / seconds


def _data(path: Path, mib: int) -> Path:
    """Write random bytes, each block of them different."""
    if not path.exists():
        random = Random(3)
        with path.open("wb") as file:
            for _ in range(mib):
                file.write(random.randbytes(BLOCK))
    return path


def _curl(peer: Peer, *arguments: str | Path) -> tuple[int, float]:
    """Send one request; give the status and the seconds it took."""
    program = shutil.which("curl")
    if program is None:
        raise SystemExit("Transfers are made by curl, which is not here: apt-get install curl.")
    output = [] if "-o" in arguments else ["-o", "/dev/null"]
    command = [
        program,
        "-s",
        "--noproxy",
        "*",
        *output,
        "-w",
        "%{http_code} %{time_total}",
        "-H",
        f"X-Auth-Token: {peer.token}",
    ]
    done = subprocess.run([*command, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    status, seconds = done.stdout.split()
    return int(status), float(seconds)

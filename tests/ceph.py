"""A real Ceph RGW on loopback, from Debian's packages, and the S3 tests against it: `python -m tests.ceph`."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener
from uuid import uuid4

import msgspec

from tests.s3 import KEYS, free_ports, new_bucket

PROGRAMS = ("ceph-mon", "ceph-mgr", "ceph-osd", "radosgw", "radosgw-admin", "ceph")
INSTALL = "apt-get update && apt-get install -y --no-install-recommends ceph-mon ceph-mgr ceph-osd radosgw"
PATIENCE = 120.0

CONFIG = """
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
keyring = {folder}/$name.keyring
run_dir = {folder}
admin_socket = {folder}/$name.asok
log_file = {folder}/$name.log
crash_dir = {folder}/crash
mon_data = {folder}/mon
mgr_data = {folder}/mgr
osd_data = {folder}/osd
osd_objectstore = bluestore
bluestore_block_size = 6442450944
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data_avail_crit = 1
mgr_initial_modules =
rgw_frontends = beast endpoint=127.0.0.1:{rgw}
rgw_enable_usage_log = false
"""


class Cluster:
    """A monitor, a manager, one OSD in a file and a gateway; the folder is given, and holds all that they keep."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        v2, v1, self.port = free_ports(3)
        self.fsid = str(uuid4())
        self.config = folder / "ceph.conf"
        self.config.write_text(CONFIG.format(fsid=self.fsid, folder=folder, v2=v2, v1=v1, rgw=self.port))
        self.monitor = f"[v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]"
        self.daemons: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start all four, and create the user."""
        self._start_monitor()
        self._start_manager()
        self._start_osd()
        self._authorize("client.rgw", "mon", "allow rw", "osd", "allow rwx")
        user = ("user", "create", "--uid=vitrine", "--display-name=Vitrine")
        self._run("radosgw-admin", *user, f"--access-key={KEYS.access}", f"--secret-key={KEYS.secret}")
        self._daemon("radosgw", "-n", "client.rgw")
        self._await_gateway()

    @property
    def endpoint(self) -> str:
        """The URL of the gateway."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Stop all, the last one first."""
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def version(self) -> str:
        """Tell the gateway's release, such as `16.2.15`."""
        return self._run("radosgw", "--version").split()[2]

    def _start_monitor(self) -> None:
        keyring = self.folder / "mon.keyring"
        self._tool("--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        caps = [word for each in ("mon", "osd", "mgr") for word in ("--cap", each, "allow *")]
        admin = self.folder / "client.admin.keyring"
        self._tool("--create-keyring", admin, "--gen-key", "-n", "client.admin", *caps)
        self._tool(keyring, "--import-keyring", admin)
        monmap = self.folder / "monmap"
        subprocess.run(
            ["monmaptool", "--create", "--addv", "a", self.monitor, "--fsid", self.fsid, monmap],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", str(monmap), "--keyring", str(keyring))
        self._daemon("ceph-mon", "-i", "a")
        self._run("ceph", "mon", "stat")

    def _start_manager(self) -> None:
        (self.folder / "mgr").mkdir()
        self._authorize("mgr.a", "mon", "allow profile mgr", "osd", "allow *")
        self._daemon("ceph-mgr", "-i", "a")

    def _start_osd(self) -> None:
        (self.folder / "osd").mkdir()
        uuid = str(uuid4())
        key = self._run("ceph-authtool", "--gen-print-key").strip()
        osd = self._run("ceph", "osd", "new", uuid, "-i", "-", stdin=msgspec.json.encode({"cephx_secret": key})).strip()
        self._tool("--create-keyring", self.folder / f"osd.{osd}.keyring", "-n", f"osd.{osd}", "--add-key", key)
        self._run("ceph-osd", "-i", osd, "--mkfs", "--osd-uuid", uuid)
        self._daemon("ceph-osd", "-i", osd)

    def _authorize(self, name: str, *caps: str) -> None:
        self._run("ceph", "auth", "get-or-create", name, *caps, "-o", str(self.folder / f"{name}.keyring"))

    def _await_gateway(self) -> None:
        opener, deadline = build_opener(ProxyHandler({})), time.monotonic() + PATIENCE
        while True:
            try:
                opener.open(self.endpoint, timeout=5).close()
            except URLError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    def _daemon(self, program: str, *arguments: str) -> None:
        command = [program, "-c", str(self.config), "-f", *arguments]
        self.daemons.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def _tool(self, *arguments: object) -> None:
        subprocess.run(["ceph-authtool", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)

    def _run(self, *command: str, stdin: bytes = b"") -> str:
        configured = [command[0], "-c", str(self.config), *command[1:]]
        run = subprocess.run(configured, input=stdin, capture_output=True, timeout=PATIENCE, check=False)
        if run.returncode:
            sys.exit(f"{command[0]} failed:\n{run.stderr.decode()}")
        return run.stdout.decode()


def install() -> None:
    """Install what is missing, where that is possible."""
    if all(map(shutil.which, PROGRAMS)):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"Needs {', '.join(PROGRAMS)}, or root and apt-get to install them.")
    subprocess.run(INSTALL, shell=True, check=True, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})


@contextmanager
def running_ceph() -> Iterator[Cluster]:
    """Run a cluster in a temporary folder, and leave nothing of it."""
    folder = Path(tempfile.mkdtemp(prefix="ceph"))
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder)


def main() -> int:
    """Run the S3 tests against a gateway of their own."""
    install()
    began = time.monotonic()
    with running_ceph() as cluster:
        print(f"Ceph RGW {cluster.version()} is up after {time.monotonic() - began:.0f} s")
        tests = [sys.executable, "-m", "pytest", "-q", "tests/test_blobs_s3.py", *sys.argv[1:]]
        url = new_bucket(cluster.endpoint)
        return subprocess.run(tests, env=os.environ | {"TEST_S3_URL": url}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

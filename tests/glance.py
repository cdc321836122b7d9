"""A real Glance, installed once and run as operators run it: uWSGI, PostgreSQL, memcached, files on disk."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.environments import installed, standard_catalogue
from tests.keystone import AUTHTOKEN, Keystone
from tests.servers import free_port, running

LOCK = Path(__file__).with_name("glance.lock")
MANAGE = "import sys; from glance.cmd.manage import main; sys.exit(main())"

CONFIG = (
    """
[DEFAULT]
log_file = {folder}/{name}.log
enabled_backends = {backends}
enabled_import_methods = [glance-direct,web-download,copy-image,glance-download]
worker_self_reference_url = {url}
public_endpoint = {url}
{extra}
[wsgi]
python_interpreter = {python}
[database]
connection = {database}
[glance_store]
default_backend = fast
[fast]
filesystem_store_datadir = {folder}/fast
weight = {weight}
[slow]
filesystem_store_datadir = {folder}/slow
[web]
store_description = read-only
[os_glance_staging_store]
filesystem_store_datadir = {folder}/{name}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {folder}/{name}/tasks
[paste_deploy]
flavor = {flavor}
config_file = {folder}/{name}-paste.ini
"""
    + AUTHTOKEN
    + """memcached_servers = {memcached}
service_token_roles_required = true
[import_filtering_opts]
allowed_schemes = [http,https]
allowed_hosts = [127.0.0.1]
allowed_ports = []
"""
)
# Locations shown, a cache with its API, and a third store that only reads from the web.
EVERYTHING = """
show_image_direct_url = true
show_multiple_locations = true
image_cache_dir = {folder}/{name}/cache
image_cache_driver = centralized_db
"""
# Choices that are none of the defaults.
OTHERWISE = """
do_secure_hash = false
[image_format]
require_image_format_match = false
[image_import_opts]
image_import_plugins = [image_conversion]
"""
# As deployments have it, down to the header: uWSGI breaks chunked uploads on connections that are kept.
UWSGI = (
    "--http-auto-chunked --http-chunked-input --http-raw-body --chunked-input-limit 67108864 --socket-timeout 30 "
    "--http-timeout 600 --module glance.wsgi.api:application --master --enable-threads --lazy-apps --thunder-lock "
    "--buffer-size 65535 --disable-logging --die-on-term"
)


class Glance(NamedTuple):
    """A running Glance: where it answers, and uWSGI's first process."""

    url: str
    pid: int


class Site(NamedTuple):
    """What instances of Glance have in common: a folder for data, a database, Keystone, memcached."""

    folder: Path
    database: str
    keystone: Keystone
    memcached: str


@contextmanager
def glance_site(folder: Path, database: str, keystone: Keystone) -> Iterator[Site]:
    """Prepare the database, whose URL may hold a socket's folder, and start memcached, while the context lasts."""
    installed(LOCK)
    port = free_port()
    command = [memcached(), "-l", "127.0.0.1", "-p", str(port), "-u", "nobody", "-m", "128"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        site = Site(folder, database.replace("postgresql://", "postgresql+psycopg2://"), keystone, f"127.0.0.1:{port}")
        config = _configure(site, "glance", "http://127.0.0.1", {}) / "glance-api.conf"
        _manage(config, "db_sync")
        _manage(config, "db_load_metadefs", str(standard_catalogue()))
        yield site
    finally:
        process.terminate()
        process.wait()


def memcached() -> str:
    """Find memcached, Glance's memory of tokens; raises SystemExit that tells how to get it."""
    found = shutil.which("memcached")
    if found is None:
        raise SystemExit("Glance keeps verified tokens in memcached, which is not here: apt-get install memcached.")
    return found


@contextmanager
def running_glance(
    site: Site, name: str = "glance", *, everything: bool = False, otherwise: bool = False, workers: int = 2
) -> Iterator[Glance]:
    """Run one instance on a free port, with two file stores.

    `everything` turns on what it may be asked besides, `otherwise` what leaves no room for something else.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    more = EVERYTHING + (OTHERWISE if otherwise else "")
    extra = {"extra": more, "flavor": "keystone+cachemanagement"} if everything else {}
    folder = _configure(site, name, url, extra)
    uwsgi = installed(LOCK).with_name("uwsgi")
    arguments = ["--http", f"127.0.0.1:{port}", "--add-header", "Connection: close", *UWSGI.split()]
    size = ["--processes", str(workers), "--threads", "4"]
    environ = {"OS_GLANCE_CONFIG_DIR": str(folder), "PATH": f"{uwsgi.parent}:{os.environ['PATH']}"}
    log = site.folder / f"{name}-uwsgi.log"
    with running([uwsgi, *arguments, *size], f"{url}/healthcheck", log, environ, signal.SIGINT) as process:
        yield Glance(url, process.pid)


def _configure(site: Site, name: str, url: str, extra: Mapping[str, str]) -> Path:
    python = installed(LOCK)
    folder = site.folder / name
    for each in ("staging", "tasks", "cache", "etc"):
        (folder / each).mkdir(parents=True, exist_ok=True)
    for each in ("fast", "slow"):
        (site.folder / each).mkdir(exist_ok=True)
    shutil.copy(python.parents[1] / "etc" / "glance" / "glance-api-paste.ini", site.folder / f"{name}-paste.ini")
    values = {"folder": site.folder, "name": name, "url": url, "python": python, "database": site.database}
    values |= {"keystone": site.keystone.url, "password": site.keystone.password, "memcached": site.memcached}
    values |= {"flavor": extra.get("flavor", "keystone"), "weight": 100 if extra else 0}
    values |= {"backends": "fast:file,slow:file" + (",web:http" if extra else "")}
    text = CONFIG.format(extra=extra.get("extra", "").format(**values), **values)
    (folder / "etc" / "glance-api.conf").write_text(text)
    return folder / "etc"


def _manage(config: Path, *arguments: str) -> None:
    command: list[str | Path] = [installed(LOCK), "-c", MANAGE, "--config-file", config, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=config.parent)
    if result.returncode:
        raise RuntimeError(f"glance-manage {arguments[0]} failed:\n{result.stderr[-4000:]}")

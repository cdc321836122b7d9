"""The demo: the whole service in one process, with a token made up on the spot and one image to look at."""

import secrets
from datetime import UTC, datetime
from random import SystemRandom

from aiohttp import web

from drivers.memory import MemoryStore
from drivers.records import Image, Location
from service.app import make_app
from service.caller import Caller
from service.connection import listen
from service.data.stores import opened_stores
from service.policy.engine import load_policy
from service.server import asked_to_stop
from service.settings import Settings
from service.tokens.static import StaticVerifier

PROJECT = "f5d834d636c642c7bfe8af86139c6f26"
CIRROS = Image(
    id="c92d820c-50dc-4fd1-a0bc-2f1071487b67",
    name="cirros",
    status="active",
    visibility="public",
    owner=PROJECT,
    container_format="bare",
    disk_format="qcow2",
    min_disk=1,
    size=12716032,
    checksum="443b7623e27ecf03dc9e01ee93f67afe",
    os_hash_algo="sha512",
    os_hash_value=(
        "6513f21e44aa3da349f248188a44bc304a3653a04122d8fb4535423c8e1d14cd"
        "6a153f735bb0982e2161b5b5186106570c17a9e58b64dd39390617cd5a350f78"
    ),
    created_at=datetime(2020, 1, 28, 12, 58, 17, tzinfo=UTC),
    locations=(Location("file:///mnt/vstorage/vols/datastores/glance/c92d820c-50dc-4fd1-a0bc-2f1071487b67"),),
    updated_at=datetime(2020, 2, 4, 10, 58, 47, tzinfo=UTC),
    properties={
        "image_validated": "yes",
        "os_distro": "linux",
        "os_type": "linux",
        "hw_disk_bus": "virtio",
        "trait:CUSTOM_HCI_122E856B9E9C4D80A0F8C21591B5AFCB": "required",
    },
)


async def demo(host: str, port: int, token: str | None) -> None:
    """Serve from memory until stopped; print the token and the `curl` that shows the image."""
    token = token or secrets.token_urlsafe(24)
    settings = Settings(host=host, port=port, drain_seconds=1.0, show_image_direct_url=True)
    store = MemoryStore()
    await store.add(CIRROS)
    caller = Caller(user_id="demo", project_id=PROJECT, roles=frozenset({"member", "reader"}))
    async with opened_stores(settings) as stores:
        app = make_app(settings, store, stores, StaticVerifier({token: caller}), load_policy(None), SystemRandom())
        await _serve(app, settings, token)


async def _serve(app: web.Application, settings: Settings, token: str) -> None:
    async with listen(app, settings) as address:
        base = f"http://{address[0]}:{address[1]}"
        print(  # noqa: T201 - this is what the command is for
            f"Vitrine serves the Image API on {base} from memory, with the token {token}\n"
            f"Its documentation is at {base}/docs\n\n"
            f"    curl -s -H 'X-Auth-Token: {token}' {base}/v2/images/{CIRROS.id}\n\n"
            "Ctrl-C stops it.",
            flush=True,
        )
        await asked_to_stop()

"""A service that is killed a hundred times in mid work: afterwards nothing is half done, lost or miscounted."""

import asyncio
import hashlib
import os
import random
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest
from aiohttp import ClientError, ClientSession, ClientTimeout, web
from aiohttp.test_utils import TestServer

from drivers.protocol import ImageStore
from drivers.query import ImageQuery, Order
from drivers.records import Image
from drivers.registry import open_store
from drivers.usage import Usage, usage_of
from service.marks import LOCK, stores_in
from tests.callers import OWNER, by
from tests.processes import environment, serving, vitrine
from tests.transfers import OCTETS

KILLS = 100
# Clients that are busy at the same time, and seconds within which the process is killed after its start.
CLIENTS, ALIVE = 6, 0.6
STORES = ("fast", "slow")
TOKENS = """
- {token: token-of-ann, user_id: ann, project_id: p1, roles: [member, reader]}
- {token: token-of-admin, user_id: admin, project_id: operators, roles: [admin, member, reader]}
"""
# What is still on its way, or not yet cleared away.
UNSETTLED = """
    select (select count(*) from images where status = 'saving')
        + (select count(*) from image_claims where state <> 'staged')
        + (select count(*) from tasks where status in ('pending', 'processing'))
"""


class Data(NamedTuple):
    """Data that can be made again at any time; the first sector is empty, so that it never looks like a disk."""

    seed: int
    size: int

    @classmethod
    def any(cls, chance: random.Random) -> "Data":
        return cls(chance.getrandbits(32), int(2 ** chance.uniform(0, 23)))

    def content(self) -> bytes:
        return (bytes(512) + random.Random(self.seed).randbytes(self.size))[: self.size]

    def digest(self) -> str:
        return hashlib.sha512(self.content()).hexdigest()

    async def slowly(self) -> AsyncIterator[bytes]:
        """Give the data in pieces, within a quarter of a second or at once."""
        chance, data = random.Random(self.seed), self.content()
        pause = chance.choice([0, 0.25]) / (1 + len(data) // (1 << 17))
        for start in range(0, len(data), 1 << 17):
            await asyncio.sleep(pause * chance.random())
            yield data[start : start + (1 << 17)]


class Ledger:
    """What clients know, by the path of the image: what they sent, what was promised to them, what they deleted."""

    def __init__(self) -> None:
        self.sent: dict[str, set[str]] = {}
        # By uploads that were acknowledged, imports that were accepted: data that has to be there.
        self.promised: dict[str, str] = {}
        self.staged: dict[str, str] = {}
        self.doomed: set[str] = set()
        self.deleted: set[str] = set()

    def kept(self) -> Mapping[str, str]:
        """Give what has to be readable."""
        return {path: digest for path, digest in self.promised.items() if path not in self.doomed}


class Customer:
    """A client that does one thing after another until nobody answers."""

    def __init__(self, session: ClientSession, web_server: TestServer, ledger: Ledger, chance: random.Random) -> None:
        self._session = session
        self._web_server = web_server
        self._ledger = ledger
        self._chance = chance

    async def work(self, base: str) -> None:
        acts: Sequence[Callable[[str], Any]] = (
            *(self.upload, self.upload_again, self.stage_and_import, self.import_staged),
            *(self.download_from_web, self.copy, self.copy, self.delete),
        )
        with suppress(ClientError):
            while True:
                await self._chance.choice(acts)(base)

    async def upload(self, base: str) -> None:
        await self._put(base, await self._created(base))

    async def upload_again(self, base: str) -> None:
        """Upload where an upload had no answer: it may have been lost, or not."""
        ledger = self._ledger
        waiting = [path for path in ledger.sent if path not in ledger.promised and path not in ledger.staged]
        if waiting:
            await self._put(base, self._chance.choice(waiting))
        await asyncio.sleep(0.01)

    async def stage_and_import(self, base: str) -> None:
        path = await self._created(base)
        if await self._put(base, path, "stage") == 204:
            await self._import(base, path, "glance-direct", self._ledger.staged[path])

    async def import_staged(self, base: str) -> None:
        """Import what was staged long ago, perhaps in another life of the process."""
        waiting = self._ledger.staged.keys() - self._ledger.promised.keys() - self._ledger.doomed
        if waiting:
            path = self._chance.choice(sorted(waiting))
            await self._import(base, path, "glance-direct", self._ledger.staged[path])
        await asyncio.sleep(0.01)

    async def download_from_web(self, base: str) -> None:
        path, data = await self._created(base), Data.any(self._chance)
        self._ledger.sent[path] = {data.digest()}
        uri = str(self._web_server.make_url(f"/{data.seed}/{data.size}"))
        # What another one sends to this image meanwhile is refused, and not what was promised.
        await self._import(base, path, "web-download", data.digest(), uri=uri)

    async def copy(self, base: str) -> None:
        if kept := self._ledger.kept():
            body = {"method": {"name": "copy-image"}, "all_stores": True}
            path = self._chance.choice(sorted(kept))
            await self._ask("POST", f"{base}{path}/import", "admin", json=body)
        await asyncio.sleep(0.01)

    async def delete(self, base: str) -> None:
        """Delete any image, whatever is being done with it, but leave most."""
        alive = sorted(self._ledger.sent.keys() - self._ledger.deleted)
        if alive and self._chance.random() < 0.5:
            path = self._chance.choice(alive)
            self._ledger.doomed.add(path)
            if await self._ask("DELETE", base + path) == 204:
                self._ledger.deleted.add(path)
        await asyncio.sleep(0.01)

    async def _created(self, base: str) -> str:
        body = {"disk_format": "raw", "container_format": "bare"}
        async with self._session.post(f"{base}/v2/images", json=body, headers=by("ann")) as response:
            assert response.status == 201, await response.text()
            return f"/v2/images/{(await response.json())['id']}"

    async def _put(self, base: str, path: str, to: str = "file") -> int:
        data = Data.any(self._chance)
        self._ledger.sent.setdefault(path, set()).add(data.digest())
        headers = OCTETS | {"X-Image-Meta-Store": self._chance.choice(STORES)}
        # A body of a told length is received in another way than a chunked one.
        if told := self._chance.choice([None, "x-openstack-image-size", "Content-Length"]):
            headers[told] = str(data.size)
        status = await self._ask("PUT", f"{base}{path}/{to}", headers=headers, data=data.slowly())
        if status == 204:
            promise = self._ledger.promised if to == "file" else self._ledger.staged
            promise[path] = data.digest()
        return status

    async def _import(self, base: str, path: str, method: str, digest: str, **options: str) -> None:
        stores = self._chance.sample(STORES, self._chance.choice([1, 2]))
        body = {"method": {"name": method} | options, "stores": stores}
        if await self._ask("POST", f"{base}{path}/import", json=body) == 202:
            self._ledger.promised[path] = digest

    async def _ask(self, method: str, url: str, name: str = "ann", headers: Any = (), **body: Any) -> int:
        headers = by(name) | dict(headers)
        async with self._session.request(method, url, headers=headers, **body) as response:
            text = await response.text()
            assert response.status < 500, text
            return response.status


@pytest.fixture
async def web_server() -> AsyncIterator[TestServer]:
    """Give a web server that has any data, and takes its time."""

    async def data(request: web.Request) -> web.StreamResponse:
        asked = Data(int(request.match_info["seed"]), int(request.match_info["size"]))
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            async for piece in asked.slowly():
                await response.write(piece)
        return response

    app = web.Application()
    app.router.add_get("/{seed}/{size}", data)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


@pytest.fixture
def chance() -> random.Random:
    """Give the chance that decides all; its seed is printed, and `TEST_CRASH_SEED` begins with the same again."""
    seed = int(os.environ.get("TEST_CRASH_SEED", secrets.randbelow(1 << 32)))
    print(f"TEST_CRASH_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def settings(database: str, tmp_path: Path) -> dict[str, str]:
    """Give the settings of the service: short leases, two stores, a quota, which is what makes data reserve room."""
    (tmp_path / "tokens.yaml").write_text(TOKENS)
    return {
        "tokens": "static",
        "tokens_file": f"{tmp_path}/tokens.yaml",
        "store": database,
        "stores": ",".join(f"{name}=file://{tmp_path}/{name}" for name in STORES),
        "user_storage_quota": "10TB",
        "lease_seconds": "1",
        "fetch_allowed_networks": "127.0.0.0/8",
        "allowed_ports": "1-65535",
    }


async def test_a_hundred_kills_leave_nothing_half_done(
    settings: dict[str, str], tmp_path: Path, web_server: TestServer, chance: random.Random
) -> None:
    ledger = Ledger()
    for _ in range(KILLS):
        await crash(settings, web_server, ledger, chance)
    async with serving(**settings) as (_, base):
        await is_settled(settings["store"])
        await check_downloads(base, ledger)
    store = await open_store(settings["store"])
    images = await all_images(store)
    print(f"{len(ledger.sent)} images, {len(images)} left, {len(ledger.promised)} promised")
    await check_images(store, images, ledger)
    assert await store.usage(OWNER) == sum((usage_of(image) for image in images), Usage())
    await store.close()
    await check_folders(settings, tmp_path, images)


async def crash(settings: dict[str, str], web_server: TestServer, ledger: Ledger, chance: random.Random) -> None:
    """Start the service, let its clients work, and kill it at any moment."""
    async with serving(**settings) as (process, base), ClientSession(timeout=ClientTimeout(30)) as session:
        customers = [
            Customer(session, web_server, ledger, random.Random(chance.getrandbits(32))) for _ in range(CLIENTS)
        ]
        working = asyncio.gather(*(customer.work(base) for customer in customers))
        await asyncio.sleep(chance.uniform(0, ALIVE))
        process.kill()
        await working


async def is_settled(database: str) -> None:
    """Wait until nothing is on its way any more, as will be soon after the leases of the dead have run out."""
    connection = await asyncpg.connect(database)
    async with asyncio.timeout(60):
        while await connection.fetchval(UNSETTLED):  # noqa: ASYNC110 - what is waited for happens in the service
            await asyncio.sleep(0.1)
    await connection.close()


async def all_images(store: ImageStore) -> Sequence[Image]:
    query = ImageQuery(
        project_id=None, is_admin=True, visibility="all", sort=(Order("id", "asc"),), limit=100_000, locations=True
    )
    return [view.image for view in await store.list_images(query)]


async def check_downloads(base: str, ledger: Ledger) -> None:
    """Read all that was promised to clients; what they deleted is not there."""
    async with ClientSession() as session:
        for path, digest in ledger.kept().items():
            async with session.get(f"{base}{path}/file", headers=by("ann")) as response:
                assert response.status == 200, path
                assert hashlib.sha512(await response.read()).hexdigest() == digest, path
        for path in ledger.deleted:
            async with session.get(base + path, headers=by("ann")) as response:
                assert response.status == 404, path


async def check_images(store: ImageStore, images: Sequence[Image], ledger: Ledger) -> None:
    """Hold each record against its data and what is known of it."""
    for image in images:
        path = f"/v2/images/{image.id}"
        assert LOCK not in image.properties, image
        assert stores_in(image, "os_glance_importing_to_stores") == set(), image
        staged = [claim.url for claim in await store.claims(image.id)]
        if image.status == "active":
            assert image.os_hash_value in ledger.sent[path], image
            assert image.locations, image
            assert len({location.url for location in image.locations}) == len(image.locations), image
            assert {digest_of(location.url) for location in image.locations} == {image.os_hash_value}, image
            assert staged == [], image
        elif image.status == "uploading":
            assert digest_of(*staged) in ledger.sent[path], image
            assert Path(staged[0].removeprefix("file://")).stat().st_size == image.size, image
        else:
            assert image.status == "queued", image
            assert (image.size, image.os_hash_value, image.locations, staged) == (None, None, (), []), image


def digest_of(url: str) -> str:
    return hashlib.sha512(Path(url.removeprefix("file://")).read_bytes()).hexdigest()


async def check_folders(settings: dict[str, str], folder: Path, images: Sequence[Image]) -> None:
    """Hold the folders against the records; what is found beside are unfinished files, which a repair removes."""
    env = environment(**settings)
    code, output, _ = await vitrine("fsck", "--repair", "--grace", "0", env=env)
    assert code == 0
    assert {line.split(":")[0] for line in output.splitlines()[:-1]} <= {"unfinished"}, output
    located = {location.url for image in images for location in image.locations}
    connection = await asyncpg.connect(settings["store"])
    staged = {row["url"] for row in await connection.fetch("select url from image_claims")}
    await connection.close()
    files = {f"file://{path}" for name in STORES for path in (folder / name).rglob("*") if path.is_file()}
    assert files == located | staged
    assert (await vitrine("fsck", "--grace", "0", env=env))[1] == "Records and stores agree.\n"

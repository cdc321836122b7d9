"""What several test modules share: a migrated database of one's own, a store of each kind, a client."""

import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, cast

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pytest_aiohttp.plugin import AiohttpClient
from yarl import URL

from drivers.postgres.migrations import migrate, released
from drivers.protocol import ImageStore
from drivers.registry import open_store
from service.app import make_app
from service.connection import listen
from service.data.stores import opened_stores
from service.keys import DOCUMENTATION
from service.limits.protocol import LimitSource
from service.policy.engine import Policy, load_policy
from service.protections import Protections
from service.settings import Secret, Settings
from service.tokens.protocol import TokenVerifier
from tests.callers import people
from tests.databases import execute
from tests.documented import answers_as_documented
from tests.fake_key_manager import FakeKeyManager
from tests.keystone import Keystone, running_keystone
from tests.postgres import running_postgres, with_database
from tests.signing import signer

Client = TestClient[web.Request, web.Application]
Connect = Callable[..., Awaitable[Client]]

# Two stores of image data by name, which is what makes them shown to callers.
TWO_STORES = Secret("fast=memory://?weight=100&description=Quick,slow=memory://?weight=50")

# Named by what is in it, so that a server that outlives the run never lends an older schema.
TEMPLATE = "vitrine_" + hashlib.sha256("".join(each.checksum for each in released()).encode()).hexdigest()[:16]


class Listening(TestServer):
    """An application behind the service's own connections rather than the framework's."""

    async def start_server(self, loop: Any = None, **kwargs: Any) -> None:
        self._listening = listen(self.app, Settings(port=0, drain_seconds=5))
        self.host, self.port = await self._listening.__aenter__()
        self._root = URL(f"http://{self.host}:{self.port}")

    async def close(self) -> None:
        await self._listening.__aexit__(None, None, None)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Give the URL of a PostgreSQL server for the whole run."""
    with running_postgres() as url:
        yield url


@pytest.fixture
async def empty_database(postgres_server: str) -> AsyncIterator[str]:
    """Give the URL of a new database without any table."""
    async with _database(postgres_server, "template0") as url:
        yield url


@pytest.fixture
async def database(postgres_server: str) -> AsyncIterator[str]:
    """Give the URL of a new database with the current schema, copied from one that was migrated once."""
    await _ensure_template(postgres_server)
    async with _database(postgres_server, TEMPLATE) as url:
        yield url


@pytest.fixture
async def admin(database: str) -> AsyncIterator[asyncpg.Connection]:
    """Give a connection beside the driver's, to look on, to lock and to end its sessions."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture(params=["memory", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str:
    """Give the URL of an empty store; a test that asks for it runs once with each driver."""
    return "memory://" if request.param == "memory" else str(request.getfixturevalue("database"))


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[ImageStore]:
    """Give an empty store of either driver."""
    store = await open_store(store_url)
    yield store
    await store.close()


@pytest.fixture
async def connect(aiohttp_client: AiohttpClient, store: ImageStore) -> AsyncIterator[Connect]:
    """Give a function that starts the application on `store` and connects to it; its arguments are settings."""

    async def connect(
        verifier: TokenVerifier | None = None,
        policy: Policy | None = None,
        protections: Protections | None = None,
        limits: LimitSource | None = None,
        **settings: Any,
    ) -> Client:
        verifier, policy = verifier or people(), policy or load_policy(None)
        chosen = Settings(**{"stores": Secret("memory://")} | settings)
        stores = await stack.enter_async_context(opened_stores(chosen))
        app = make_app(chosen, store, stores, verifier, policy, Random(1), protections=protections, limits=limits)
        documented = answers_as_documented(json.loads(app[DOCUMENTATION].document))
        client = cast("Client", await aiohttp_client(Listening(app), middlewares=(documented,)))
        stack.push_async_callback(client.close)
        return client

    async with AsyncExitStack() as stack:
        yield connect


@pytest.fixture
async def client(connect: Connect) -> Client:
    """Give a client of the application with default settings."""
    return await connect()


@pytest.fixture
def blobs_url(store_url: str, tmp_path: Path) -> Secret:
    """Give the URL of an empty store of image data: memory beside memory, files beside a database."""
    return Secret("memory://" if store_url == "memory://" else f"file://{tmp_path}/blobs")


@pytest.fixture
def tokens_file(tmp_path: Path) -> str:
    """Give the path of a file with the one token of the service as a process."""
    path = tmp_path / "tokens.yaml"
    path.write_text("- {token: token-of-ann, user_id: ann, project_id: p1, roles: [member, reader]}\n")
    return str(path)


@pytest.fixture
async def key_manager() -> AsyncIterator[FakeKeyManager]:
    """Give a key manager with a certificate of an RSA key."""
    fake = FakeKeyManager(signer("RSA-PSS").certificate)
    await fake.server.start_server()
    yield fake
    await fake.server.close()


@pytest.fixture(scope="session")
def keystone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keystone]:
    """Give a running Keystone for the whole run."""
    with running_keystone(tmp_path_factory.mktemp("keystone")) as keystone:
        yield keystone


@pytest.fixture
def keystone_settings(keystone: Keystone) -> Settings:
    """Give the settings of a service that verifies tokens with it."""
    return Settings(
        keystone_url=keystone.url,
        keystone_username="vitrine",
        keystone_password=Secret(keystone.password),
        keystone_timeout=60,  # the first questions to a Keystone that has just started take seconds
    )


@asynccontextmanager
async def _database(server: str, template: str) -> AsyncIterator[str]:
    name = f"vitrine_{secrets.token_hex(8)}"
    await execute(server, f'create database "{name}" template "{template}"')
    try:
        yield with_database(server, name)
    finally:
        await execute(server, f'drop database "{name}" with (force)')


async def _ensure_template(server: str) -> None:
    if await execute(server, f"select 1 from pg_database where datname = '{TEMPLATE}'"):
        return
    await execute(server, f'create database "{TEMPLATE}" template template0')
    await migrate(with_database(server, TEMPLATE))

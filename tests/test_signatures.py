"""Signed images take only the data that was signed, by certificates of a real Barbican (reference section 10.2)."""

import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from service.settings import Settings
from service.tokens.open import open_verifier
from tests.barbican import Barbican, running_barbican
from tests.conftest import Client, Connect
from tests.imports import DIRECT
from tests.keystone import Keystone
from tests.signing import signer
from tests.transfers import DATA, OCTETS, objects, until

OTHER = DATA[:-1] + b"?"
PAIRS = [("RSA-PSS", "SHA-224"), ("DSA", "SHA-256"), ("ECC_SECP521R1", "SHA-512"), ("ECC_SECP384R1", "SHA-384")]


@pytest.fixture(scope="module")
def barbican(keystone: Keystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Barbican]:
    """Give a running Barbican, which is in Keystone's catalog."""
    with running_barbican(tmp_path_factory.mktemp("barbican"), keystone) as barbican:
        keystone.register("key-manager", "barbican", barbican.url)
        yield barbican


@pytest.fixture(scope="module")
def token(keystone: Keystone) -> str:
    """Give the token of somebody who owns images and certificates."""
    return keystone.login("demo", project="demo")


@pytest.fixture
def store_url() -> str:
    """Give one driver of records: only what tasks keep is different with the other, and tried where that is."""
    return "memory://"


@pytest.fixture
async def client(connect: Connect, keystone_settings: Settings, barbican: Barbican) -> AsyncIterator[Client]:
    """Give a client of a service that finds Barbican in its callers' catalogs."""
    verifier = await open_verifier(keystone_settings)
    # A Barbican that has just started takes seconds to answer for the first time.
    yield await connect(verifier=verifier, key_manager_timeout=60.0)
    await verifier.close()


async def signed(client: Client, token: str, properties: dict[str, str]) -> str:
    """Create an image with the properties of a signature; give its path."""
    body = {"disk_format": "raw", "container_format": "bare"} | properties
    async with client.post("/v2/images", json=body, headers={"X-Auth-Token": token}) as response:
        assert response.status == 201, await response.text()
        return f"/v2/images/{(await response.json())['id']}"


async def put(client: Client, path: str, token: str, data: bytes, to: str = "file") -> tuple[int, str]:
    """Upload data, or stage it; give the status and the text of the answer."""
    async with client.put(f"{path}/{to}", data=io.BytesIO(data), headers=OCTETS | {"X-Auth-Token": token}) as response:
        return response.status, await response.text()


async def shown(client: Client, path: str, token: str) -> dict[str, Any]:
    """Show an image, or its tasks."""
    async with client.get(path, headers={"X-Auth-Token": token}) as response:
        assert response.status == 200
        found: dict[str, Any] = await response.json()
        return found


@pytest.mark.parametrize(("kind", "method"), PAIRS)
async def test_data_that_was_signed_is_taken_and_no_other(
    client: Client, barbican: Barbican, token: str, kind: str, method: str
) -> None:
    certificate_id = barbican.keep(signer(kind).certificate, token)
    path = await signed(client, token, signer(kind).properties(DATA, certificate_id, method))
    status, text = await put(client, path, token, OTHER)
    assert (status, "Signature verification failed" in text) == (400, True)
    assert (await shown(client, path, token))["status"] == "queued"
    assert await objects(client) == []
    assert await put(client, path, token, DATA) == (204, "")
    assert (await shown(client, path, token))["status"] == "active"


async def test_a_key_manager_of_the_settings_is_asked_before_any_catalog(
    connect: Connect, keystone_settings: Settings, barbican: Barbican, token: str
) -> None:
    verifier = await open_verifier(keystone_settings)
    own = await connect(verifier=verifier, key_manager_url=f"{barbican.url}/v1/")
    away = await connect(verifier=verifier, key_manager_url="http://127.0.0.1:1")
    certificate_id = barbican.keep(signer("RSA-PSS").certificate, token)
    path = await signed(own, token, signer("RSA-PSS").properties(DATA, certificate_id))
    assert (await put(away, path, token, DATA))[0] == 503
    assert await put(own, path, token, DATA) == (204, "")
    await verifier.close()


async def test_a_certificate_that_is_not_the_callers_or_none_at_all_is_refused(
    client: Client, keystone: Keystone, barbican: Barbican, token: str
) -> None:
    certificate = signer("RSA-PSS").certificate
    foreign = barbican.keep(certificate, keystone.login("alt", project="alt"))
    passphrase = barbican.keep(certificate, token, kind="passphrase")
    garbage = barbican.keep("no certificate", token)
    other_key = barbican.keep(signer("DSA").certificate, token)
    for certificate_id in (foreign, passphrase, garbage, other_key, "0c4f4e4e-0000-4000-8000-000000000000"):
        path = await signed(client, token, signer("RSA-PSS").properties(DATA, certificate_id))
        assert (await put(client, path, token, DATA))[0] == 400, certificate_id
        assert (await shown(client, path, token))["status"] == "queued"


async def test_an_import_verifies_by_a_certificate_that_its_task_does_not_show(
    client: Client, barbican: Barbican, token: str
) -> None:
    properties = signer("RSA-PSS").properties(DATA, barbican.keep(signer("RSA-PSS").certificate, token))
    for data, status, ended in ((OTHER, "importing", "failure"), (DATA, "active", "success")):
        path = await signed(client, token, properties)
        assert await put(client, path, token, data, to="stage") == (204, "")
        headers = {"X-Auth-Token": token}
        async with client.post(f"{path}/import", json={"method": DIRECT}, headers=headers) as response:
            assert response.status == 202

        async def has_ended(path: str = path) -> bool:
            return "os_glance_import_task" not in await shown(client, path, token)

        await until(has_ended)
        assert (await shown(client, path, token))["status"] == status
        (task,) = (await shown(client, f"{path}/tasks", token))["tasks"]
        assert (task["status"], "Signature verification failed" in task["message"]) == (ended, ended == "failure")
        assert "CERTIFICATE" not in str(task)

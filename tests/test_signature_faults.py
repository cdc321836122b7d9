"""Signatures that say nonsense, and key managers that fail: nothing is kept unverified (reference section 10.2)."""

import base64
import hashlib
import io
import ssl
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PSS
from cryptography.hazmat.primitives.hashes import SHA256

from tests.callers import by
from tests.conftest import TWO_STORES, Client, Connect
from tests.fake_key_manager import CERTIFICATE, ID, FakeKeyManager
from tests.fake_keystone import Handler, answering, break_off, flood, hang, hang_up, lying_bytes, speak_smtp, trickle
from tests.imports import COPY, METHODS, imported
from tests.raw_http import running, upload
from tests.signing import signer
from tests.transfers import DATA, OCTETS, begun, created, is_untouched, objects, put, shown, uploaded

RSA = signer("RSA-PSS")
TOKEN = "token-of-ann"
PATCH = "application/openstack-images-v2.1-json-patch"


@pytest.fixture
def store_url() -> str:
    """Give one driver of records: it has no part in uploads that are refused."""
    return "memory://"


@pytest.fixture
async def client(connect: Connect, key_manager: FakeKeyManager) -> Client:
    """Give a client of a service that asks the fake key manager."""
    return await connect(key_manager_url=key_manager.url, key_manager_timeout=0.3)


def signed(**changes: str) -> dict[str, Any]:
    """Give the properties of a signature of DATA, or others in their place."""
    return RSA.properties(DATA, ID) | changes


def encoded(signature: bytes) -> str:
    """Write a signature as the property has it."""
    return base64.b64encode(signature).decode()


async def answered(client: Client, path: str) -> tuple[int, str]:
    """Upload; give the status and the text of the answer."""
    async with client.put(f"{path}/file", data=io.BytesIO(DATA), headers=OCTETS | by("ann")) as response:
        return response.status, await response.text()


async def test_the_certificate_is_read_by_the_callers_token(client: Client, key_manager: FakeKeyManager) -> None:
    await uploaded(client, **signed(img_signature_certificate_uuid=ID.upper()))
    assert key_manager.asked == [(f"/v1/secrets/{ID}", TOKEN), (f"/v1/secrets/{ID}/payload", TOKEN)]


@pytest.mark.parametrize("missing", sorted(signed()))
async def test_with_three_of_the_four_properties_nothing_is_verified(
    client: Client, key_manager: FakeKeyManager, missing: str
) -> None:
    properties: dict[str, Any] = {name: "nonsense" for name in signed() if name != missing}
    await uploaded(client, **properties)
    assert key_manager.asked == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("img_signature", "abc"),
        ("img_signature", "é"),
        ("img_signature_hash_method", "MD5"),
        ("img_signature_hash_method", "SHA-1"),
        ("img_signature_hash_method", "sha-256"),
        ("img_signature_key_type", "RSA"),
        ("img_signature_key_type", "ECC_SECT571K1"),
        ("img_signature_certificate_uuid", "../orders"),
        ("img_signature_certificate_uuid", ""),
    ],
)
async def test_properties_that_mean_nothing_are_400_and_nobody_is_asked(
    client: Client, key_manager: FakeKeyManager, name: str, value: str
) -> None:
    path = await created(client, **signed(**{name: value}))
    status, text = await answered(client, path)
    assert (status, name in text) == (400, True)
    assert await is_untouched(client, path)
    assert key_manager.asked == []


@pytest.mark.parametrize(
    "changes",
    [
        {"img_signature": ""},
        {"img_signature": encoded(b"no signature")},
        {"img_signature_hash_method": "SHA-512"},
        # Glance once took a signature of the MD5, in hex, for one of the data (OSSN-0061).
        {"img_signature": encoded(RSA.sign(hashlib.md5(DATA).hexdigest().encode(), SHA256()))},
        {"img_signature": encoded(RSA.sign(DATA + b"\0", SHA256()))},
    ],
)
async def test_any_other_signature_is_400_and_the_image_waits_for_its_data_again(
    client: Client, changes: dict[str, str]
) -> None:
    path = await created(client, **signed(**changes))
    status, text = await answered(client, path)
    assert (status, "Signature verification failed" in text) == (400, True)
    assert await is_untouched(client, path)


async def test_a_salt_may_be_as_short_as_the_hash_as_in_glance(client: Client) -> None:
    await uploaded(client, **signed(img_signature=encoded(RSA.sign(DATA, SHA256(), salt=PSS.DIGEST_LENGTH))))


@pytest.mark.parametrize("days", [(-9, -8), (8, 9)])
async def test_the_dates_of_a_certificate_do_not_count_as_in_glance(
    client: Client, key_manager: FakeKeyManager, days: tuple[int, int]
) -> None:
    dated = signer("ECC_SECP384R1", *days)
    key_manager.certificate = dated.certificate
    await uploaded(client, **dated.properties(DATA, ID))


@pytest.mark.parametrize(
    "fault",
    [hang, hang_up, trickle, break_off, speak_smtp, answering(500), answering(302), answering(429), answering(204)],
)
@pytest.mark.parametrize("step", ["on_secret", "on_payload"])
async def test_a_key_manager_that_is_away_is_503(
    client: Client, key_manager: FakeKeyManager, fault: Handler, step: str
) -> None:
    path = await created(client, **signed())
    setattr(key_manager, step, fault)
    status, text = await answered(client, path)
    assert (status, "key manager" in text, TOKEN in text) == (503, True, False)
    assert await is_untouched(client, path)


async def test_a_client_that_asks_first_is_not_asked_for_data_that_cannot_be_verified() -> None:
    async with running(key_manager_url="http://127.0.0.1:1") as service, service.wire() as wire:
        path = await service.created(**signed())
        await wire.send(upload(path, f"Content-Length: {len(DATA)}", "Expect: 100-continue"))
        assert (await wire.answer())[0] == 503
        assert await service.status(path) == "queued"


async def test_the_token_is_not_taken_to_where_an_answer_leads(client: Client, key_manager: FakeKeyManager) -> None:
    key_manager.on_secret = answering(302, headers={"Location": f"/v1/secrets/{ID}/payload"})
    assert (await answered(client, await created(client, **signed())))[0] == 503
    assert len(key_manager.asked) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b'{"secret_type": 5}', b"{" * 9000, b"\xff"])
async def test_what_describes_no_secret_is_503(client: Client, key_manager: FakeKeyManager, body: bytes) -> None:
    key_manager.on_secret = lying_bytes(body)
    path = await created(client, **signed())
    assert (await answered(client, path))[0] == 503
    assert await is_untouched(client, path)


@pytest.mark.parametrize("step", ["on_secret", "on_payload"])
@pytest.mark.parametrize("fault", [answering(401), answering(403), answering(404), flood])
async def test_a_certificate_that_the_caller_does_not_get_is_400(
    client: Client, key_manager: FakeKeyManager, fault: Handler, step: str
) -> None:
    path = await created(client, **signed())
    setattr(key_manager, step, fault)
    assert (await answered(client, path))[0] == 400
    assert await is_untouched(client, path)


@pytest.mark.parametrize(
    "about",
    [
        {"secret_type": "private"},
        {"content_types": None},
        {"content_types": {}},
        {"content_types": {"default": "application/json"}},
        {"content_types": {"default": "text/plain\r\nX-Evil: 1"}},
    ],
)
async def test_a_secret_of_another_kind_is_400_and_its_payload_not_read(
    client: Client, key_manager: FakeKeyManager, about: dict[str, Any]
) -> None:
    key_manager.about = {**CERTIFICATE, **about}
    path = await created(client, **signed())
    assert (await answered(client, path))[0] == 400
    assert await is_untouched(client, path)
    assert [where for where, _ in key_manager.asked] == [f"/v1/secrets/{ID}"]


def of_no_version(certificate: str) -> str:
    """Write a certificate anew with a version that X.509 does not know."""
    der = ssl.PEM_cert_to_DER_cert(certificate)
    return ssl.DER_cert_to_PEM_cert(der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05", 1))


@pytest.mark.parametrize(
    "certificate",
    [
        *("", "garbage", RSA.certificate[:-100], RSA.certificate.replace("MII", "MIX"), "\0é"),
        of_no_version(RSA.certificate),
    ],
)
async def test_garbage_for_a_certificate_is_400(client: Client, key_manager: FakeKeyManager, certificate: str) -> None:
    key_manager.certificate = certificate
    path = await created(client, **signed())
    assert (await answered(client, path))[0] == 400
    assert await is_untouched(client, path)


async def test_a_signature_that_comes_while_the_data_does_is_not_passed_by(client: Client) -> None:
    path = await created(client)
    steps, answer = await begun(client, path)
    change = [{"op": "add", "path": f"/{name}", "value": value} for name, value in signed().items()]
    async with client.patch(path, json=change, headers=by("ann", Content_Type=PATCH)) as response:
        assert response.status == 200
    steps.end()
    assert await answer == 409
    assert await is_untouched(client, path)


async def test_a_key_of_another_kind_than_is_told_is_400(client: Client, key_manager: FakeKeyManager) -> None:
    elliptic = signer("ECC_SECP384R1")
    key_manager.certificate = elliptic.certificate
    path = await created(client, **elliptic.properties(DATA, ID) | {"img_signature_key_type": "DSA"})
    assert (await answered(client, path))[0] == 400
    assert await is_untouched(client, path)


async def test_without_a_key_manager_a_signed_image_takes_no_data_and_says_what_to_set(connect: Connect) -> None:
    client = await connect()
    path = await created(client, **signed())
    status, text = await answered(client, path)
    assert (status, "VITRINE_KEY_MANAGER_URL" in text) == (400, True)
    assert await is_untouched(client, path)
    await uploaded(client)


async def test_an_image_that_is_in_use_is_409_whatever_the_key_manager_says(
    client: Client, key_manager: FakeKeyManager
) -> None:
    path = await uploaded(client, **signed())
    key_manager.on_secret = answering(500)
    assert await put(client, path) == 409


async def test_what_is_said_of_a_signature_afterwards_changes_nothing(
    connect: Connect, key_manager: FakeKeyManager
) -> None:
    client = await connect(stores=TWO_STORES, enabled_import_methods=METHODS, key_manager_url=key_manager.url)
    path = await uploaded(client, **signed())
    change = [{"op": "replace", "path": "/img_signature", "value": "other"}]
    headers = by("ann", Content_Type="application/openstack-images-v2.1-json-patch")
    async with client.patch(path, json=change, headers=headers) as response:
        assert response.status == 200
    key_manager.on_secret = answering(500)
    image = await imported(client, path, "admin", method=COPY, stores=["slow"])
    assert (image["status"], image["stores"]) == ("active", "fast,slow")
    assert await objects(client) == [DATA, DATA]
    assert (await shown(client, path))["img_signature"] == "other"

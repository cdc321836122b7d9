"""Signed images in tests: keys of every kind, their certificates, and the properties that a signature needs."""

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.hashes import SHA224, SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

HASHES: Mapping[str, type[HashAlgorithm]] = {"SHA-224": SHA224, "SHA-256": SHA256, "SHA-384": SHA384, "SHA-512": SHA512}
KEYS: Mapping[str, Callable[[], Any]] = {
    "RSA-PSS": lambda: rsa.generate_private_key(65537, 2048),
    "DSA": lambda: dsa.generate_private_key(2048),
    "ECC_SECP521R1": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ECC_SECP384R1": lambda: ec.generate_private_key(ec.SECP384R1()),
}
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Signer of images")])


class Signer(NamedTuple):
    """A key of a kind, and its certificate in PEM."""

    kind: str
    key: Any
    certificate: str

    def properties(self, data: bytes, certificate_id: str, method: str = "SHA-256") -> dict[str, Any]:
        """Give the properties of an image of this data."""
        return {
            "img_signature": base64.b64encode(self.sign(data, HASHES[method]())).decode(),
            "img_signature_hash_method": method,
            "img_signature_key_type": self.kind,
            "img_signature_certificate_uuid": certificate_id,
        }

    def sign(self, data: bytes, method: HashAlgorithm, salt: Any = PSS.MAX_LENGTH) -> bytes:
        """Sign data."""
        match self.kind:
            case "RSA-PSS":
                options: list[Any] = [PSS(MGF1(method), salt), method]
            case "DSA":
                options = [method]
            case _:
                options = [ec.ECDSA(method)]
        signature: bytes = self.key.sign(data, *options)
        return signature


@cache
def signer(kind: str, begins: int = -1, ends: int = 1) -> Signer:
    """Make a key of a kind, and its certificate, which is valid between two days counted from today."""
    key, today = KEYS[kind](), datetime.now(UTC)
    builder = x509.CertificateBuilder(NAME, NAME, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(today + timedelta(days=begins)).not_valid_after(today + timedelta(days=ends))
    return Signer(kind, key, builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode())

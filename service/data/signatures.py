"""Signatures that owners made of their images' data, verified as Glance does by its library cursive (section 10.2)."""

import base64
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA224, SHA256, SHA384, SHA512, HashAlgorithm

from service.refusals import BadRequest, Conflict

NAMES = ("img_signature", "img_signature_hash_method", "img_signature_key_type", "img_signature_certificate_uuid")

PublicKey = RSAPublicKey | DSAPublicKey | EllipticCurvePublicKey

# Not MD5, of which Glance once verified signatures, whatever the method said (OSSN-0061, CVE-2015-8234).
HASHES: Mapping[str, HashAlgorithm] = MappingProxyType(
    {"SHA-224": SHA224(), "SHA-256": SHA256(), "SHA-384": SHA384(), "SHA-512": SHA512()}
)
# As in cursive, the curve in the name is not compared with that of the key.
KEYS: Mapping[str, type[PublicKey]] = MappingProxyType(
    {
        "RSA-PSS": RSAPublicKey,
        "DSA": DSAPublicKey,
        "ECC_SECP521R1": EllipticCurvePublicKey,
        "ECC_SECP384R1": EllipticCurvePublicKey,
    }
)


class Check(NamedTuple):
    """All that is needed to tell whether data is what was signed, but for its hash."""

    signature: "Signature"
    key: PublicKey

    @property
    def algorithm(self) -> str:
        """What the data is to be hashed with, as `hashlib` names it."""
        return self.signature.hash.name

    def verify(self, digest: bytes) -> None:
        """Raise BadRequest unless the signature is one of data with this hash."""
        try:
            self._verify(digest, self.signature.value, self.signature.hash)
        except (InvalidSignature, ValueError, UnsupportedAlgorithm):  # ValueError: a key too short for the hash
            raise _failed("the data is not what was signed, or not by the key of that certificate") from None

    def _verify(self, digest: bytes, value: bytes, algorithm: HashAlgorithm) -> None:
        prehashed = Prehashed(algorithm)
        match self.key:
            case RSAPublicKey():
                self.key.verify(value, digest, PSS(MGF1(algorithm), PSS.AUTO), prehashed)
            case DSAPublicKey():
                self.key.verify(value, digest, prehashed)
            case EllipticCurvePublicKey():
                self.key.verify(value, digest, ECDSA(prehashed))


class Signature(NamedTuple):
    """What an image's properties say of a signature."""

    value: bytes
    hash: HashAlgorithm
    key_type: str
    certificate_id: str

    def check(self, certificate: str) -> Check:
        """Take the key from the certificate, in PEM, whose dates and issuer Glance does not look at. Raises BadRequest.

        That the certificate is one to trust is for the owner, who names it, and for those who start servers.
        """
        try:
            key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
        except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
            raise _failed("the key manager has no X.509 certificate in PEM under that id") from None
        if not isinstance(key, KEYS[self.key_type]):
            raise _failed(f"the key of the certificate is not of the type {self.key_type}")
        return Check(self, key)


def signature_of(properties: Mapping[str, str]) -> Signature | None:
    """Read the signature in an image's properties, None unless all four are there. Raises BadRequest."""
    if not all(name in properties for name in NAMES):
        return None
    value, hash_method, key_type, certificate_id = (properties[name] for name in NAMES)
    if hash_method not in HASHES:
        raise _failed(f"img_signature_hash_method is none of {', '.join(HASHES)}")
    if key_type not in KEYS:
        raise _failed(f"img_signature_key_type is none of {', '.join(KEYS)}")
    return Signature(_decoded(value), HASHES[hash_method], key_type, _uuid(certificate_id))


def require_checked(check: Check | None, properties: Mapping[str, str]) -> None:
    """Raise Conflict unless data that passed a check, or none, is all that the image's properties ask for by now."""
    if signature_of(properties) != (check.signature if check else None):
        raise Conflict("The image's signature was changed while its data came: nothing of the data is kept.")


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value)
    except ValueError:
        raise _failed("img_signature is not base64") from None


def _uuid(text: str) -> str:
    # It becomes part of a URL.
    try:
        return str(UUID(text))
    except ValueError:
        raise _failed("img_signature_certificate_uuid is not a UUID") from None


def _failed(why: str) -> BadRequest:
    return BadRequest(f"Signature verification failed: {why}.")

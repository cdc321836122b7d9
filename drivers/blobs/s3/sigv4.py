"""Signatures of requests to S3 (AWS Signature Version 4)."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote

from drivers.blobs.s3.place import Keys

# TLS guards the body already; without it, the body's own hash is signed.
UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY = hashlib.sha256().hexdigest()
ALGORITHM = "AWS4-HMAC-SHA256"


class Call(NamedTuple):
    """A request before it is signed; `digest` is the SHA-256 of its body in hex, or UNSIGNED."""

    method: str
    host: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    digest: str = EMPTY

    @property
    def query_string(self) -> str:
        """The query as it has to be sent and signed: sorted, and strictly percent-encoded."""
        return "&".join(f"{quote(name, safe='')}={quote(self.query[name], safe='')}" for name in sorted(self.query))


def signed(call: Call, keys: Keys, region: str, now: datetime) -> dict[str, str]:
    """Give the headers to send: those of the call, and the proof that the keys' holder sends it now."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    headers = {name.lower(): value for name, value in call.headers.items()}
    headers |= {"host": call.host, "x-amz-content-sha256": call.digest, "x-amz-date": stamp}
    if keys.token:
        headers["x-amz-security-token"] = keys.token
    names = ";".join(sorted(headers))
    lines = [f"{name}:{headers[name].strip()}\n" for name in sorted(headers)]
    request = "\n".join((call.method, quote(call.path), call.query_string, "".join(lines), names, call.digest))
    to_sign = "\n".join((ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
    signature = hmac.new(_key(keys.secret, scope), to_sign.encode(), hashlib.sha256).hexdigest()
    proof = f"{ALGORITHM} Credential={keys.access}/{scope}, SignedHeaders={names}, Signature={signature}"
    return headers | {"authorization": proof}


def _key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for word in scope.split("/"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return key

"""Tokens as text: which texts can be one, and the hash a token is known by where it must not be kept."""

import hashlib
import re

# Keystone's longest kind, a signed JWS token, stays below 2 KiB; every kind is visible ASCII, as headers need it.
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")


def could_be_token(text: str) -> bool:
    """Tell whether the text is 1 to 4096 visible ASCII characters; anything else is not worth a question."""
    return _TOKEN.fullmatch(text) is not None


def token_digest(token: str) -> bytes:
    """Hash any text a client sent, bytes outside ASCII included, to 32 bytes (SHA-256)."""
    # aiohttp turns undecodable header bytes into surrogates, which a plain encode() would refuse.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()

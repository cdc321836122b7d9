"""What the URL of an S3 store says."""

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from drivers.blobs.keys import is_key
from drivers.errors import StoreUnavailable

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
REGION = re.compile(r"[A-Za-z0-9-]+")
SPELLING = "s3://ACCESS_KEY:SECRET_KEY@bucket/prefix?endpoint=https://host&region=name"


class Place(NamedTuple):
    """Where objects are: `endpoint` is a URL without path, `prefix` has neither a slash before it nor behind."""

    bucket: str
    prefix: str
    endpoint: str
    region: str

    @property
    def url(self) -> str:
        """The URL under which keys are."""
        return f"s3://{self.bucket}/{self.name('')}"

    def name(self, key: str) -> str:
        """Give an object's name in the bucket."""
        return f"{self.prefix}/{key}" if self.prefix else key

    def path(self, key: str) -> str:
        """Give an object's path at the endpoint."""
        return f"/{self.bucket}/{self.name(key)}"

    def key(self, url: str) -> str | None:
        """Give the key of an object's URL; None when it is not a URL of this place."""
        key = url.removeprefix(self.url)
        return key if key != url and is_key(key) else None


class Keys(NamedTuple):
    """An access key, its secret, and the token of temporary ones."""

    access: str
    secret: str
    token: str | None = None

    def __repr__(self) -> str:
        """Name the access key only, since tracebacks and logs show what is represented."""
        return f"Keys({self.access!r})"


def read_url(url: str) -> tuple[Place, Keys | None]:
    """Read a store's URL. Raise StoreUnavailable, quoting nothing of it, for one that cannot be used."""
    parts = urlsplit(url)
    authority = parts.netloc.rpartition("@")
    place = _place(authority[2], parts.path.strip("/"), dict(parse_qsl(parts.query, keep_blank_values=True)))
    access, _, secret = authority[0].partition(":")
    if bool(access) != bool(secret):
        raise _malformed("name both keys or none, percent-encoded")
    return place, Keys(unquote(access), unquote(secret)) if access else None


def _place(bucket: str, prefix: str, options: dict[str, str]) -> Place:
    region = options.pop("region", "us-east-1")
    endpoint = options.pop("endpoint", f"https://s3.{region}.amazonaws.com").rstrip("/")
    if options:
        raise _malformed("it has parameters other than endpoint and region")
    if not BUCKET.fullmatch(bucket):
        raise _malformed("its bucket has no valid name")
    if prefix and not all(SEGMENT.fullmatch(segment) for segment in prefix.split("/")):
        raise _malformed("a prefix consists of letters, digits, hyphens, underscores and dots")
    if not REGION.fullmatch(region) or not _is_origin(endpoint):
        raise _malformed("the endpoint is http or https and a host, and the region a name")
    return Place(bucket, prefix, endpoint, region)


def _is_origin(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in {"http", "https"} and bool(parts.netloc) and "@" not in url and not any(parts[2:])


def _malformed(what: str) -> StoreUnavailable:
    return StoreUnavailable(f"The URL of the S3 store cannot be used, {what}: write {SPELLING}.")

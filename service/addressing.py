"""Which requests are the API's, and which only get the list of its versions (reference section 1)."""

from collections.abc import Mapping
from types import MappingProxyType

MEDIA_TYPE = "application/vnd.openstack.images-"

# Newest first; what must be configured for a minor to be listed, and so accepted (reference section 1.2).
MINORS: Mapping[str, str | None] = MappingProxyType(
    {
        "v2.18": "cache",
        "v2.17": None,
        "v2.16": "cache",
        "v2.15": None,
        "v2.14": "cache",
        "v2.13": "multi_store",
        "v2.12": "multi_store",
        "v2.11": "multi_store",
        "v2.10": "multi_store",
        "v2.9": None,
        "v2.8": "multi_store",
        "v2.7": None,
        "v2.6": None,
        "v2.5": None,
        "v2.4": None,
        "v2.3": None,
        "v2.2": None,
        "v2.1": None,
        "v2.0": None,
    }
)


def accepted_minors(features: frozenset[str]) -> tuple[str, ...]:
    """List the minors that a configuration with these features serves, newest first."""
    return tuple(minor for minor, needs in MINORS.items() if needs is None or needs in features)


def names_version(segment: str, accept: str | None, versions: frozenset[str]) -> bool:
    """Tell whether a request asks for an accepted version, by its path's first segment or by its `Accept`.

    An `Accept` that names a version wins, and then the path has no version (reference section 1.1).
    """
    if accept is not None and accept.startswith(MEDIA_TYPE):
        return accept.removeprefix(MEDIA_TYPE) in versions
    return segment in versions

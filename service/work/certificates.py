"""Certificates for imports: read while the caller's token is at hand, and kept with the task until there is data."""

from collections.abc import Mapping
from typing import Any

import msgspec

from service.data.signatures import Check, signature_of
from service.data.tools import Tools
from service.refusals import BadRequest
from service.settings import Secret
from service.work.runner import TaskFailed


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate in PEM by its id, or why there is none."""

    certificate_id: str = ""
    certificate: str = ""
    refusal: str = ""


async def keep_certificate(tools: Tools, properties: Mapping[str, str], token: Secret) -> Kept | None:
    """Read what the signature in an image's properties, if there is one, will be verified with.

    That there is none for the caller is for the task to say, as in Glance. Raises KeyManagerUnavailable,
    IdentityUnavailable.
    """
    try:
        signature = signature_of(properties)
        if signature is None:
            return None
        certificate = await tools.key_manager.certificate(signature.certificate_id, token)
    except BadRequest as refusal:
        return Kept(refusal=str(refusal))
    return Kept(certificate_id=signature.certificate_id, certificate=certificate)


def kept_in(private: dict[str, Any] | None) -> Kept | None:
    """Read what a task keeps, which is None for an image that had no signature."""
    return None if private is None else msgspec.convert(private, Kept)


def check_of(properties: Mapping[str, str], kept: Kept | None) -> Check | None:
    """Make what an image's data is verified by, None where there is no signature. Raises BadRequest, TaskFailed."""
    signature = signature_of(properties)
    if signature is None:
        return None
    if kept and kept.refusal:
        raise TaskFailed(kept.refusal)
    if kept is None or kept.certificate_id != signature.certificate_id:
        raise TaskFailed("The image was given a signature, or another certificate, after its import began: ask again.")
    return signature.check(kept.certificate)

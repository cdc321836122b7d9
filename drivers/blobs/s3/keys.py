"""The keys with which requests to S3 are signed: written into the URL, or those that the machine gives its programs."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from drivers.blobs.s3.place import Keys
from drivers.errors import StoreUnavailable

FindKeys = Callable[[], Awaitable[Keys]]

NO_LIBRARY = "The URL of the S3 store names no keys: write them into it, or install botocore to use the machine's."
NO_KEYS = "The URL of the S3 store names no keys, and the machine gives none."


def find_keys(keys: Keys | None) -> FindKeys:
    """Give what finds these keys; when there are none, what asks botocore for the machine's, fresh ones each time."""
    return MachineKeys() if keys is None else partial(_give, keys)


async def _give(keys: Keys) -> Keys:
    return keys


class MachineKeys:
    """The keys that AWS's own programs would use: of the environment, a web identity, a container or an instance."""

    def __init__(self) -> None:
        self._credentials: Any = None

    async def __call__(self) -> Keys:
        """Give the keys that are valid now. Raise StoreUnavailable."""
        return await asyncio.to_thread(self._find)

    def _find(self) -> Keys:
        try:
            from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - not installed where URLs name keys
            from botocore.session import Session  # noqa: PLC0415 - the same
        except ImportError:
            raise StoreUnavailable(NO_LIBRARY) from None
        try:
            self._credentials = self._credentials or Session().get_credentials()
            found = self._credentials and self._credentials.get_frozen_credentials()
        except BotoCoreError as error:
            raise StoreUnavailable(NO_KEYS) from error
        if not found:
            raise StoreUnavailable(NO_KEYS)
        return Keys(found.access_key, found.secret_key, found.token)

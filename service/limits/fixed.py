"""The same limits for every project, from the settings."""

from collections.abc import Mapping
from types import MappingProxyType

from drivers.usage import UNLIMITED, Limits

UNITS: Mapping[str, int] = MappingProxyType({"": 1, "B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40})


class FixedLimits:
    """Knows one answer; nothing is limited unless it is told otherwise."""

    def __init__(self, limits: Limits = UNLIMITED) -> None:
        self._limits = limits

    async def limits(self, project_id: str) -> Limits:
        """Give the limits, whatever the project."""
        return self._limits

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""


def read_storage_quota(text: str) -> Limits:
    """Read the setting `user_storage_quota`, such as `500GB`, in powers of 1024; `0` of any unit limits nothing."""
    digits = text.rstrip("BKMGT")
    quota = int(digits) * UNITS[text.removeprefix(digits)]
    return Limits(bytes=quota) if quota else UNLIMITED

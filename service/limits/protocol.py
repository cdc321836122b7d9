"""The contract of limit sources: a project goes in, the most it may hold comes out."""

from typing import Protocol

from drivers.usage import Limits


class LimitsUnavailable(Exception):
    """The limits cannot be read now: a 503, for a project must not grow past a limit because nobody could tell it.

    The text says what to mend and holds no token, password or URL credential.
    """


class LimitSource(Protocol):
    """Something that knows the limits of every project."""

    async def limits(self, project_id: str) -> Limits:
        """Tell the limits of a project, which need not exist. Raises LimitsUnavailable."""

    async def close(self) -> None:
        """Release connections; the source is not used afterwards."""

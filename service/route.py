"""What one row of the table of routes says."""

from typing import NamedTuple

from aiohttp.typedefs import Handler

from service.openapi.operation import Operation


class Route(NamedTuple):
    """One operation. `path` is below `/v2` unless `open`, which means anybody may call it, token or not.

    `rule` is the policy rule that the handler asks; None where a valid token is enough. A `prompt` one starts outside
    of any task: until it has to wait for something, it may not ask for the current task, which timeouts do.
    """

    method: str
    path: str
    handler: Handler
    doc: Operation
    rule: str | None = None
    body: bool = False
    open: bool = False
    prompt: bool = False

    @property
    def name(self) -> tuple[str, str]:
        """The method and the path as documented, whatever version a request names."""
        return self.method, self.path if self.open else f"/v2{self.path}"

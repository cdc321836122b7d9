"""The documentation of the health checks."""

from service.openapi.operation import TEXT, Answer, Operation

LIVE = Operation("Health", "Tell whether the process lives", {200: Answer("It lives.", {TEXT: str})})
READY = Operation(
    "Health",
    "Tell whether requests can be served",
    {200: Answer("They can.", {TEXT: str}), 503: Answer("They cannot; the text says why.", {TEXT: str})},
)

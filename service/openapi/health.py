"""The documentation of the health checks."""

from service.openapi.operation import TEXT, Answer, Operation

LIVE = Operation("Health", "Tell whether the process lives", {200: Answer("It lives.", {TEXT: str})})
METRICS = Operation("Health", "Count and time what was done", {200: Answer("As Prometheus reads it.", {TEXT: str})})
READY = Operation(
    "Health",
    "Tell whether requests can be served",
    {200: Answer("They can.", {TEXT: str}), 503: Answer("They cannot; the text says why.", {TEXT: str})},
)

"""How long requests take, by route and status, for Prometheus, at next to no cost for a request."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from time import perf_counter

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

# Upper ends of the spans that are told apart, in seconds: reads take milliseconds, transfers minutes.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
# What no route took: methods and paths are a client's own words there, and each would be a series of its own.
NO_ROUTE = ("*", "*")

RouteName = tuple[str, str]


class RequestTimes(Collector):
    """The durations of answered requests; the library's own histogram takes several times as long to note one."""

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self.clock = clock
        self._spans: dict[tuple[RouteName, int], list[int]] = {}
        self._sums: dict[tuple[RouteName, int], float] = {}

    def note(self, route: RouteName, status: int, start: float) -> None:
        """Count a request to a method and path as it is answered now; `start` is what the clock said when it began."""
        seconds, key = self.clock() - start, (route, status)
        spans = self._spans.get(key)
        if spans is None:
            spans = self._spans[key] = [0] * (len(BOUNDS) + 1)
            self._sums[key] = 0.0
        spans[bisect_left(BOUNDS, seconds)] += 1
        self._sums[key] += seconds

    def timed(self, route: RouteName, handler: Handler) -> Handler:
        """Note every answer of a handler; a request whose client went away has none."""

        async def enter(request: web.Request) -> web.StreamResponse:
            start = self.clock()
            response = await handler(request)
            self.note(route, response.status, start)
            return response

        return enter

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Give the family, as the registry asks for it."""
        family = HistogramMetricFamily(
            "vitrine_request_seconds", "How long requests took to be answered.", labels=("method", "path", "status")
        )
        for ((method, path), status), spans in sorted(self._spans.items()):
            family.add_metric((method, path, str(status)), _buckets(spans), self._sums[(method, path), status])
        yield family


def _buckets(spans: list[int]) -> list[tuple[str, float]]:
    """Add up the spans as Prometheus wants them: how many requests took at most so long."""
    total, buckets = 0, []
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), spans, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets

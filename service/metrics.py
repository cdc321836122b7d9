"""What the service counts, for Prometheus, in its names: units in the plural, `_total` behind what only grows."""

from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

from service.timing import RequestTimes


class Metrics(NamedTuple):
    """What one process counts, in a registry of its own, beside the process itself: its memory, CPU and descriptors."""

    registry: CollectorRegistry
    objects_removed: Counter
    removals_put_off: Counter
    uploads_lost: Counter
    tasks_ended: Counter
    requests: RequestTimes


def make_metrics() -> Metrics:
    """Make the counters, all at zero."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(requests := RequestTimes())

    def counter(name: str, sentence: str, *labels: str) -> Counter:
        return Counter(f"vitrine_{name}", sentence, labels, registry=registry)

    return Metrics(
        registry,
        objects_removed=counter("objects_removed", "Objects of image data that were removed as nobody's."),
        removals_put_off=counter("removals_put_off", "Objects that could not be removed when it was their turn."),
        uploads_lost=counter("uploads_lost", "Uploads whose process fell silent, so that their image waits again."),
        tasks_ended=counter("tasks_ended", "Imports and other tasks that have ended.", "type", "status"),
        requests=requests,
    )


class CacheMetrics(NamedTuple):
    """What one process has counted of a cache, in a registry of their own; `bytes` is of the whole folder."""

    registry: CollectorRegistry
    hits: Counter
    misses: Counter
    evictions: Counter
    bytes: Gauge


def make_cache_metrics() -> CacheMetrics:
    """Make the counters of a cache, all at zero."""
    registry = CollectorRegistry()

    def counter(name: str, sentence: str) -> Counter:
        return Counter(f"vitrine_cache_{name}", sentence, registry=registry)

    return CacheMetrics(
        registry,
        hits=counter("hits", "Downloads of whole images whose data was in the cache."),
        misses=counter("misses", "Downloads of whole images whose data was not in the cache, or not all of it yet."),
        evictions=counter("evictions", "Images that left the cache to make room for others."),
        bytes=Gauge(
            "vitrine_cache_bytes", "Bytes of data in the cache's folder, looked at each minute.", registry=registry
        ),
    )

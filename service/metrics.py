"""What the service counts, for Prometheus."""

from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, ProcessCollector

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

"""Several processes that share one port, and the parent that watches over them."""

import gc
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from drivers.memory import open_memory
from drivers.registry import find_driver
from service.data.stores import read_specs
from service.settings import Settings, SettingsError

logger = logging.getLogger(__name__)

SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGCHLD})
Work = Callable[[Settings, int], None]


def run_workers(settings: Settings, work: Work) -> int:
    """Run `work` in as many processes as the settings say; give the exit code, in the parent and in each of them.

    A worker is handed its settings, with the port they share, and the end of a pipe that tells when the parent is gone.
    A stop is passed on to the workers and waited for. A worker that ends by itself stops the others, and the code is 1:
    a crash is for whoever started the service to see, and nothing is restarted in silence.
    Raises SettingsError if records are kept inside a process, OSError if the port cannot be had.
    """
    _check_shareable(settings)
    with _reserved_port(settings) as port:
        lifeline, held = os.pipe()
        # No signal is lost, and none meets a worker before it has handlers of its own.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        # What is in memory by now stays shared: the collector does not touch it.
        gc.freeze()
        workers: set[int] = set()
        for _ in range(settings.workers):
            pid = os.fork()
            if pid == 0:
                os.close(held)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
                work(replace(settings, port=port), lifeline)
                return 0
            workers.add(pid)
        return _watch(workers)


def _check_shareable(settings: Settings) -> None:
    if find_driver(settings.store.reveal()) is open_memory:
        raise SettingsError(
            f"VITRINE_WORKERS is {settings.workers}, but VITRINE_STORE keeps records in the memory of one process: "
            "name a PostgreSQL database there, or use one worker."
        )
    if settings.stores and any(spec.url.startswith("memory:") for spec in read_specs(settings.stores.reveal())):
        raise SettingsError(
            f"VITRINE_WORKERS is {settings.workers}, but VITRINE_STORES keeps data in the memory of one process: "
            "name a folder or a bucket there, or use one worker."
        )


@contextmanager
def _reserved_port(settings: Settings) -> Iterator[int]:
    """Take the port, or a free one for port 0, without listening, and give it while the context lasts."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    # A port that is shared lets any process of this user in, another service's workers too: ask without sharing first.
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
    with socket.socket(family, kind, protocol) as reservation:
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reservation.bind(address)
        yield reservation.getsockname()[1]


def _watch(workers: set[int]) -> int:
    """Wait until every worker has ended; pass a stop on."""
    stopping = False
    code = 0
    while workers:
        if signal.sigwait(SIGNALS) != signal.SIGCHLD:
            stopping = True
            _stop(workers)
            continue
        for pid, status in _ended():
            workers.discard(pid)
            if not stopping:
                logger.error("Worker %s ended with %s: stopping the service", pid, _named(status))
                stopping, code = True, 1
                _stop(workers)
    return code


def _ended() -> Iterator[tuple[int, int]]:
    """Go through the workers that have ended; several may share one signal."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, os.waitstatus_to_exitcode(status)


def _named(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _stop(workers: set[int]) -> None:
    for pid in workers:
        os.kill(pid, signal.SIGTERM)

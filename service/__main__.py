"""The `vitrine` command; only here is the environment read."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Coroutine, Sequence
from datetime import timedelta

import uvloop

from drivers.errors import StoreError
from drivers.postgres import open_postgres
from drivers.postgres.migrations import migrate
from drivers.registry import find_driver
from service.client.arguments import add_client_commands
from service.demo import demo
from service.maintenance import fsck
from service.metadefs.command import add_metadefs_commands, run_metadefs_command
from service.policy.language import PolicyError
from service.server import serve
from service.settings import SettingsError, read_settings
from service.tokens.text import could_be_token
from service.workers import run_workers


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0 done, 1 not done, 2 not understood."""
    parsed = _parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except (SettingsError, PolicyError, StoreError) as error:
        sys.stderr.write(f"vitrine: {error}\n")
        return 1
    except OSError as error:
        named = f"{error.filename}: " if isinstance(error.filename, str) else ""
        sys.stderr.write(f"vitrine: {named}{error.strerror or error}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vitrine", description="An image service for clouds.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    command = commands.add_parser("demo", help="serve from memory, with a fresh token and one image to look at")
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    command.add_argument("--port", type=_port, default=9292, help="port to listen on (default: %(default)s, 0: any)")
    command.add_argument("--token", type=_token, help="the token to accept (default: a new random one)")
    command.set_defaults(run=_demo)
    command = commands.add_parser("serve", help="serve, as the VITRINE_* variables say")
    command.set_defaults(run=_serve)
    command = commands.add_parser("migrate", help="bring the schema of VITRINE_STORE up to date")
    command.add_argument("--check", action="store_true", help="change nothing; exit with 1 if something is missing")
    command.set_defaults(run=_migrate)
    command = commands.add_parser("fsck", help="compare the records of VITRINE_STORE with the data in VITRINE_STORES")
    command.add_argument("--repair", action="store_true", help="mend what can be; else only tell")
    command.add_argument(
        "--grace", type=int, default=3600, metavar="SECONDS", help="let younger objects be (default: %(default)s)"
    )
    command.set_defaults(run=_fsck)
    add_metadefs_commands(commands, _metadefs)
    add_client_commands(commands, _transfer)
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _token(text: str) -> str:
    if not could_be_token(text):
        raise argparse.ArgumentTypeError("a token is visible ASCII characters, without blanks")
    return text


def _demo(parsed: argparse.Namespace) -> int:
    _start_logging("info")
    _run(demo(parsed.host, parsed.port, parsed.token))
    return 0


def _serve(parsed: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    _start_logging(settings.log_level)
    if settings.workers > 1:
        return run_workers(settings, lambda own, lifeline: _run(serve(own, lifeline)))
    _run(serve(settings))
    return 0


def _migrate(parsed: argparse.Namespace) -> int:
    url = read_settings(os.environ).store.reveal()
    if find_driver(url) is not open_postgres:
        print("VITRINE_STORE is not a PostgreSQL database: there is no schema to migrate.")
        return 0
    names = asyncio.run(migrate(url, check=parsed.check))
    for name in names:
        print(f"{'missing' if parsed.check else 'applied'}: {name}")
    if not names:
        print("The schema is up to date.")
    return int(parsed.check and bool(names))


def _fsck(parsed: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    _start_logging("warning")
    return int(asyncio.run(fsck(settings, grace=timedelta(seconds=parsed.grace), repair=parsed.repair)) > 0)


def _metadefs(parsed: argparse.Namespace) -> int:
    return asyncio.run(run_metadefs_command(parsed, read_settings(os.environ)))


def _transfer(parsed: argparse.Namespace) -> int:
    # A service has no use for a client and its progress bars, which each of its workers would keep for life.
    from service.client.command import run_client_command  # noqa: PLC0415

    url = parsed.url or os.environ.get("OS_IMAGE_ENDPOINT_OVERRIDE", "")
    token = parsed.token or os.environ.get("OS_TOKEN", "")
    if not url.startswith(("http://", "https://")):
        sys.stderr.write("vitrine: name the image service by --url or OS_IMAGE_ENDPOINT_OVERRIDE, as https://...\n")
        return 2
    if not could_be_token(token):
        sys.stderr.write("vitrine: give a token by OS_TOKEN or --token; `openstack token issue` makes one\n")
        return 2
    _start_logging("error")
    try:
        return asyncio.run(run_client_command(parsed, url, token))
    except KeyboardInterrupt:
        sys.stderr.write("vitrine: stopped; a download goes on from there when the command is run again\n")
        return 1


def _start_logging(level: str) -> None:
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # It repeats lines of hostile data, however long; what it finds is in the answer.
    logging.getLogger("oslo_utils.imageutils.format_inspector").setLevel(logging.CRITICAL)


def _run(command: Coroutine[None, None, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(command)


if __name__ == "__main__":
    sys.exit(main())

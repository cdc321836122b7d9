"""The real `vitrine` command as a process of its own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import asyncpg
from aiohttp import ClientSession


def environment(**settings: str) -> dict[str, str]:
    """Give an environment with these settings and no others of the service's."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VITRINE_")}
    return clean | {f"VITRINE_{name.upper()}": value for name, value in settings.items()}


async def vitrine(*arguments: str, env: Mapping[str, str]) -> tuple[int, str, str]:
    """Run one command to its end; give its exit code, output and errors."""
    process = await _start(*arguments, env=env)
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


@asynccontextmanager
async def serving(**settings: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run `vitrine serve` on a free port; give the process and its base URL once it answers.

    Data is kept in memory where no setting says otherwise.
    """
    process = await _start("serve", env=environment(port="0", **{"stores": "memory://"} | settings))
    try:
        yield process, await _address(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _start(*arguments: str, env: Mapping[str, str]) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service", *arguments, env=dict(env), stdout=pipe, stderr=pipe
    )


async def _address(process: asyncio.subprocess.Process) -> str:
    """Read the log up to the line that tells where the service listens."""
    assert process.stderr is not None
    log = []
    async for line in process.stderr:
        log.append(line.decode())
        if "listens on " in log[-1]:
            base = log[-1].split("listens on ")[1].strip()
            async with ClientSession() as session, session.get(f"{base}/livez") as response:
                assert response.status == 200
            return base
    raise AssertionError(f"it ended with {await process.wait()}: {''.join(log)}")


async def waiting_for_a_lock(database: str) -> None:
    """Wait until a statement of the service waits for a lock in the database."""
    connection = await asyncpg.connect(database)
    query = "select count(*) from pg_stat_activity where application_name = 'vitrine' and wait_event_type = 'Lock'"
    while not await connection.fetchval(query):  # noqa: ASYNC110 - the event is in the database
        await asyncio.sleep(0.01)
    await connection.close()

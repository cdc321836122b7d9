"""A database that falls silent in mid upload: a clear answer, a line in the log, and all put right afterwards."""

from collections.abc import AsyncIterator

import pytest

from drivers.protocol import ImageStore
from service.settings import Secret
from tests.conftest import Connect
from tests.sessions import locked, opened
from tests.transfers import begun, created, is_untouched, put, status_of, until


@pytest.fixture
async def store(database: str) -> AsyncIterator[ImageStore]:
    """Give a driver that waits half a second for the database."""
    async with opened(database, timeout=0.5) as store:
        yield store


@pytest.mark.parametrize("to", ["file", "stage"])
async def test_a_database_that_falls_silent_is_told_in_a_line_and_the_image_waits_again(
    connect: Connect, database: str, blobs_url: Secret, caplog: pytest.LogCaptureFixture, to: str
) -> None:
    client = await connect(stores=blobs_url, lease_seconds=2)
    path = await created(client)
    steps, answer = await begun(client, path, to)
    async with locked(database):
        steps.end()
        assert await answer == 503
    assert "stays as it is until the lease of its claim is out: " in caplog.text
    assert "Traceback" not in caplog.text

    async def is_queued() -> bool:
        return await status_of(client, path) == "queued"

    await until(is_queued)
    assert await is_untouched(client, path)
    assert await put(client, path, to=to) == 204

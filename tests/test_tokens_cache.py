"""The token cache: what it remembers, for how long, and what it never does."""

import asyncio
import gc
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from unittest.mock import Mock

import pytest

from service.caller import Caller
from service.tokens.cache import REFUSED_SECONDS, CachedVerifier
from service.tokens.protocol import Endpoint, IdentityUnavailable

NOW = 1_000_000.0


class Scripted:
    """A verifier that counts its questions and answers when, and as, the test says."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Callable[[str], Caller | None] = lambda token: Caller(user_id=token)
        self.go = asyncio.Event()
        self.go.set()
        self.closed = False

    async def verify(self, token: str, *, allow_expired: bool = False) -> Caller | None:
        self.asked.append(f"{token}, expired allowed" if allow_expired else token)
        await self.go.wait()
        return self.answer(token)

    async def endpoints(self, token: str, kind: str) -> Sequence[Endpoint]:
        return ()

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def monotonic() -> Mock:
    return Mock(return_value=0.0)


@pytest.fixture
def wall() -> Mock:
    return Mock(return_value=NOW)


@pytest.fixture
async def source() -> Scripted:
    return Scripted()


@pytest.fixture
async def cache(source: Scripted, monotonic: Mock, wall: Mock) -> CachedVerifier:
    return CachedVerifier(source, seconds=60, size=3, monotonic=monotonic, wall=wall)


@pytest.fixture
async def complaints() -> list[object]:
    """Give what asyncio complains about from now on."""
    heard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    return heard


async def together(cache: CachedVerifier, source: Scripted, count: int) -> list[asyncio.Task[Caller | None]]:
    """Start verifications of one token that all wait for `source.go`."""
    source.go.clear()
    tasks = [asyncio.create_task(cache.verify("a")) for _ in range(count)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_an_answer_is_remembered_for_its_time_and_not_longer(
    cache: CachedVerifier, source: Scripted, monotonic: Mock
) -> None:
    for moment, questions in ((0.0, 1), (59.9, 1), (60.0, 2), (119.9, 2)):
        monotonic.return_value = moment
        assert await cache.verify("a") == Caller(user_id="a")
        assert len(source.asked) == questions


async def test_a_refusal_is_remembered_for_a_few_seconds(
    cache: CachedVerifier, source: Scripted, monotonic: Mock
) -> None:
    source.answer = lambda _: None
    for moment, questions in ((0.0, 1), (REFUSED_SECONDS - 0.1, 1), (REFUSED_SECONDS, 2)):
        monotonic.return_value = moment
        assert await cache.verify("a") is None
        assert len(source.asked) == questions


async def test_no_answer_outlives_its_token(cache: CachedVerifier, source: Scripted, wall: Mock) -> None:
    ends = datetime.fromtimestamp(NOW + 10, UTC)
    source.answer = lambda token: Caller(user_id=token, expires_at=ends)
    await cache.verify("a")
    wall.return_value = NOW + 9.9
    assert await cache.verify("a") is not None
    assert len(source.asked) == 1
    source.answer = lambda _: None
    wall.return_value = NOW + 10
    assert await cache.verify("a") is None
    # Not even when the wall clock is set back: the refusal has taken the answer's place.
    wall.return_value = NOW
    assert await cache.verify("a") is None


async def test_a_wall_clock_set_back_keeps_no_answer_beyond_its_time(
    cache: CachedVerifier, source: Scripted, monotonic: Mock, wall: Mock
) -> None:
    await cache.verify("a")
    wall.return_value = NOW - 3600
    monotonic.return_value = 60.0
    await cache.verify("a")
    assert len(source.asked) == 2


async def test_an_answer_to_an_expired_token_is_not_remembered(cache: CachedVerifier, source: Scripted) -> None:
    source.answer = lambda token: Caller(user_id=token, expires_at=datetime.fromtimestamp(NOW - 1, UTC))
    for _ in range(2):
        assert await cache.verify("a", allow_expired=True) is not None
    assert len(source.asked) == 2


async def test_what_a_service_may_vouch_for_is_asked_apart(cache: CachedVerifier, source: Scripted) -> None:
    for _ in range(2):
        await cache.verify("a", allow_expired=True)
        await cache.verify("a")
    assert source.asked == ["a, expired allowed", "a"]


async def test_the_oldest_answer_makes_room(cache: CachedVerifier, source: Scripted) -> None:
    for token in "abcd":
        await cache.verify(token)
    for token in "dcb":
        await cache.verify(token)
    assert source.asked == list("abcd")
    await cache.verify("a")
    assert source.asked == list("abcda")


async def test_an_answer_renewed_is_not_the_oldest(cache: CachedVerifier, source: Scripted, monotonic: Mock) -> None:
    await cache.verify("a")
    monotonic.return_value = 30.0
    for token in "bc":
        await cache.verify(token)
    monotonic.return_value = 60.0
    for token in "adac":
        await cache.verify(token)
    assert source.asked == list("abcad")


async def test_made_up_tokens_push_no_valid_one_out(cache: CachedVerifier, source: Scripted) -> None:
    await cache.verify("a")
    source.answer = lambda _: None
    for number in range(100):
        await cache.verify(f"made-up-{number}")
    assert await cache.verify("a") == Caller(user_id="a")
    assert source.asked.count("a") == 1


async def test_a_token_revoked_or_granted_meanwhile_changes_sides(
    cache: CachedVerifier, source: Scripted, monotonic: Mock
) -> None:
    yes, no = (lambda token: Caller(user_id=token)), (lambda _: None)
    for moment, answer in ((0.0, yes), (60.0, no), (120.0, yes)):
        monotonic.return_value, source.answer = moment, answer
        assert await cache.verify("a") == answer("a")
        assert await cache.verify("a") == answer("a")
    assert len(source.asked) == 3


async def test_many_at_once_make_one_call(cache: CachedVerifier, source: Scripted) -> None:
    tasks = await together(cache, source, 100)
    source.go.set()
    assert await asyncio.gather(*tasks) == [Caller(user_id="a")] * 100
    assert source.asked == ["a"]


async def test_a_cancelled_waiter_takes_nobody_along(cache: CachedVerifier, source: Scripted) -> None:
    first, *others = await together(cache, source, 3)
    first.cancel()
    await asyncio.wait([first])
    source.go.set()
    assert await asyncio.gather(*others) == [Caller(user_id="a")] * 2
    assert first.cancelled()
    assert source.asked == ["a"]


async def test_an_answer_nobody_waits_for_any_more_is_still_remembered(cache: CachedVerifier, source: Scripted) -> None:
    (only,) = await together(cache, source, 1)
    only.cancel()
    await asyncio.wait([only])
    source.go.set()
    await cache.verify("a")
    assert source.asked == ["a"]


async def test_an_error_reaches_all_who_wait_and_is_not_remembered(cache: CachedVerifier, source: Scripted) -> None:
    source.answer = Mock(side_effect=IdentityUnavailable("down"))
    tasks = await together(cache, source, 3)
    source.go.set()
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(error) for error in errors] == ["down"] * 3
    source.answer = lambda token: Caller(user_id=token)
    assert await cache.verify("a") is not None
    assert source.asked == ["a", "a"]


async def test_an_error_nobody_waits_for_any_more_is_no_complaint(
    cache: CachedVerifier, source: Scripted, complaints: list[object]
) -> None:
    source.answer = Mock(side_effect=IdentityUnavailable("down"))
    (only,) = await together(cache, source, 1)
    only.cancel()
    await asyncio.wait([only])
    source.go.set()
    await asyncio.sleep(0.01)
    # asyncio complains when it frees the flight, which the cancelled task's traceback still refers to.
    del only
    gc.collect()
    assert complaints == []


async def test_closing_ends_what_is_under_way_and_closes_the_verifier(cache: CachedVerifier, source: Scripted) -> None:
    tasks = await together(cache, source, 2)
    await cache.close()
    await asyncio.wait(tasks, timeout=10)
    assert all(task.cancelled() for task in tasks)
    assert source.closed


async def test_tokens_are_kept_only_as_hashes(cache: CachedVerifier, source: Scripted) -> None:
    source.answer = lambda _: Caller(user_id="u")
    await cache.verify("s3cret")
    source.answer = lambda _: None
    await cache.verify("s3cret-refused")
    assert "s3cret" not in repr(vars(cache))


async def test_any_text_of_a_header_may_be_asked_about(cache: CachedVerifier, source: Scripted) -> None:
    source.answer = lambda _: None
    assert await cache.verify("\udcff\udcfe") is None

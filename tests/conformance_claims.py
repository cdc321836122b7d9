"""What every driver proves of claims."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drivers.claims import Claim, Effects
from drivers.errors import LeaseLost, QuotaExceeded
from drivers.protocol import ImageStore
from drivers.records import Image, Location
from drivers.usage import Limits, Usage

NOW = datetime(2026, 1, 28, 12, 58, 17, 123456, tzinfo=UTC)
ONE = "c92d820c-50dc-4fd1-a0bc-2f1071487b67"
LONG = timedelta(hours=1)
OVER = timedelta(0)
STAGED = Usage(1, staged_bytes=10, uploading=1)


def image(**fields: Any) -> Image:
    """Make an image of project `p1`."""
    return Image(**{"id": ONE, "owner": "p1", "created_at": NOW, "updated_at": NOW, **fields})


def claim(claim_id: str = "a", **fields: Any) -> Claim:
    """Make a `writing` claim for that image and project, on an object named like the claim."""
    return Claim(
        **{"id": claim_id, "image_id": ONE, "store": "fast", "url": f"mem:///{claim_id}", "project_id": "p1", **fields}
    )


def garbage(claim_id: str, **fields: Any) -> Claim:
    """Make a claim on an object that is nobody's."""
    return claim(claim_id, state="garbage", **fields)


async def begin(store: ImageStore, *claims: Claim, lease: timedelta = LONG, **fields: Any) -> Image:
    """Keep an image, and begin to write its objects."""
    await store.add(image())
    return await store.save(image(status="saving", **fields), effects=Effects(added=claims, lease=lease))


async def states(store: ImageStore) -> dict[str, str]:
    """Tell the state of each of the image's claims."""
    return {each.id: each.state for each in await store.claims(ONE)}


async def take(store: ImageStore, lease: timedelta = LONG) -> dict[str, str]:
    """Take all claims that have to be seen to, and tell their states."""
    return {each.id: each.state for each in await store.take_claims(1000, lease=lease)}


async def bytes_of(store: ImageStore, project_id: str = "p1") -> int:
    """Tell the bytes that a project holds."""
    return (await store.usage(project_id)).bytes


def refused(answers: Sequence[object], refusal: type[Exception]) -> int:
    """Count the answers that are this refusal; every other has to be none."""
    assert [answer for answer in answers if isinstance(answer, BaseException) and not isinstance(answer, refusal)] == []
    return sum(isinstance(answer, refusal) for answer in answers)


class ClaimConformance:
    """What every driver proves of ClaimStore."""

    async def test_a_claim_comes_back_as_it_was_kept(self, store: ImageStore) -> None:
        full = claim("b", image_id=ONE.upper(), size=2**50, reserved=2**49)
        bare = claim("a", image_id=ONE.upper(), project_id=None)
        await store.add_claim(full, lease=LONG)
        await store.add_claim(bare, lease=LONG)
        await store.add_claim(claim("c"), lease=LONG)
        assert list(await store.claims(ONE.upper())) == [bare, full]

    @pytest.mark.parametrize("image_id", ["", "x", "\0", "\ud800"])
    async def test_what_is_no_image_has_no_claims(self, store: ImageStore, image_id: str) -> None:
        assert list(await store.claims(image_id)) == []

    async def test_a_writer_cannot_claim_what_is_claimed(self, store: ImageStore) -> None:
        await store.add_claim(claim(reserved=5), lease=LONG)
        for taken in (claim(url="mem:///b", reserved=5), claim("b", url="mem:///a", reserved=5)):
            with pytest.raises(LeaseLost):
                await store.add_claim(taken, lease=LONG)
        assert (await store.claims(ONE), await bytes_of(store)) == ([claim(reserved=5)], 5)
        await store.add_claim(claim("b", url="mem:///a", store="slow"), lease=LONG)

    async def test_what_is_reserved_counts_while_it_is_written(self, store: ImageStore) -> None:
        await store.add_claim(claim("a", reserved=5), lease=LONG)
        await store.add_claim(claim("b", reserved=7), lease=LONG)
        await store.add_claim(claim("c", reserved=9, project_id=None), lease=LONG)
        assert await store.usage("p1") == Usage(bytes=12)
        await store.renew_claim("a", lease=LONG, reserved=6)
        await store.renew_claim("c", lease=LONG, reserved=6)
        assert await bytes_of(store) == 13
        await store.drop_claims(["a", "c", "a", "nothing"])
        await store.drop_claims(["a"])
        assert await bytes_of(store) == 7
        await store.forget_claims(["b", "b", "nothing"])
        assert await store.usage("p1") == Usage()

    async def test_twenty_reserving_at_once_never_overshoot_a_limit(self, store: ImageStore) -> None:
        limits = Limits(bytes=35)
        claims = [claim(str(number), reserved=10) for number in range(20)]
        adding = (store.add_claim(each, lease=LONG, limits=limits) for each in claims)
        assert refused(await asyncio.gather(*adding, return_exceptions=True), QuotaExceeded) == 17
        kept = await store.claims(ONE)
        assert (len(kept), await bytes_of(store)) == (3, 30)
        renewing = (store.renew_claim(each.id, lease=LONG, reserved=13, limits=limits) for each in kept)
        assert refused(await asyncio.gather(*renewing, return_exceptions=True), QuotaExceeded) == 2
        assert await bytes_of(store) == 33
        assert sorted(each.reserved for each in await store.claims(ONE)) == [10, 10, 13]

    async def test_a_limit_forbids_only_to_reserve_more(self, store: ImageStore) -> None:
        await store.add_claim(claim(reserved=10), lease=LONG)
        lowered = Limits(bytes=5)
        await store.renew_claim("a", lease=LONG, reserved=10, limits=lowered)
        await store.renew_claim("a", lease=LONG, reserved=9, limits=lowered)
        with pytest.raises(QuotaExceeded):
            await store.renew_claim("a", lease=LONG, reserved=10, limits=lowered)
        await store.add_claim(claim("b"), lease=LONG, limits=lowered)

    async def test_a_renewal_that_a_limit_refuses_renews_nothing(self, store: ImageStore) -> None:
        await store.add_claim(claim(reserved=1), lease=OVER)
        with pytest.raises(QuotaExceeded):
            await store.renew_claim("a", lease=LONG, reserved=2, limits=Limits(bytes=1))
        assert await take(store) == {"a": "lost"}

    async def test_a_claim_under_a_lease_is_taken_by_nobody_until_it_runs_out(self, store: ImageStore) -> None:
        await store.add_claim(claim("a", reserved=5), lease=LONG)
        await store.add_claim(claim("b", reserved=7), lease=timedelta(milliseconds=50))
        await asyncio.sleep(0.06)
        assert await take(store) == {"b": "lost"}
        assert await states(store) == {"a": "writing", "b": "lost"}
        assert await bytes_of(store) == 5

    async def test_a_renewed_lease_runs_anew(self, store: ImageStore) -> None:
        await store.add_claim(claim(), lease=OVER)
        await store.renew_claim("a", lease=LONG, reserved=0)
        assert await take(store) == {}
        await store.renew_claim("a", lease=OVER, reserved=0)
        assert await take(store) == {"a": "lost"}

    async def test_what_was_lost_cannot_be_renewed(self, store: ImageStore) -> None:
        await store.add_claim(claim("a", reserved=5), lease=OVER)
        assert list(await store.take_claims(1, lease=LONG)) == [claim("a", state="lost", reserved=5)]
        await store.add_claim(claim("b", reserved=5), lease=LONG)
        await store.drop_claims(["b"])
        for claim_id in ("a", "b", "never"):
            with pytest.raises(LeaseLost):
                await store.renew_claim(claim_id, lease=LONG, reserved=10)
        assert await store.usage("p1") == Usage()

    async def test_garbage_is_there_for_a_taker_at_once(self, store: ImageStore) -> None:
        await store.add_claim(claim("a"), lease=LONG)
        await store.drop_claims(["a"])
        assert await take(store) == {"a": "garbage"}
        assert await take(store) == {}

    async def test_what_its_taker_does_not_forget_comes_again(self, store: ImageStore) -> None:
        await begin(store, garbage("a"), claim("b"), lease=OVER)
        assert await take(store, OVER) == {"a": "garbage", "b": "lost"}
        assert await take(store, OVER) == {"a": "garbage", "b": "lost"}
        await store.forget_claims(["a"])
        assert await take(store, LONG) == {"b": "lost"}
        assert await take(store) == {}
        await store.drop_claims(["b"])
        assert await take(store) == {"b": "garbage"}

    async def test_dropping_what_a_taker_removes_gives_it_to_no_other(self, store: ImageStore) -> None:
        await begin(store, garbage("a"))
        assert await take(store) == {"a": "garbage"}
        await store.drop_claims(["a"])
        assert await take(store) == {}

    async def test_a_taker_takes_no_more_than_it_asked_for(self, store: ImageStore) -> None:
        await begin(store, *(garbage(str(number)) for number in range(5)))
        assert [len(await store.take_claims(limit, lease=LONG)) for limit in (0, 3, 3, 3)] == [0, 3, 2, 0]

    async def test_takers_at_once_never_meet(self, store: ImageStore) -> None:
        names = [f"{number:02}" for number in range(40)]
        half = [claim(name, reserved=1) for name in names[::2]]
        await begin(store, *(garbage(name) for name in names[1::2]), *half, lease=OVER)
        taken = await asyncio.gather(*(store.take_claims(4, lease=LONG) for _ in range(20)))
        met = [each.id for taker in taken for each in taker]
        met += [each.id for each in await store.take_claims(40, lease=LONG)]
        assert sorted(met) == names
        assert await bytes_of(store) == 0

    async def test_a_taker_and_a_renewing_writer_never_both_win(self, store: ImageStore) -> None:
        claims = [claim(str(number), reserved=1) for number in range(20)]
        await begin(store, *claims, lease=OVER)
        renewing = (store.renew_claim(each.id, lease=LONG, reserved=1) for each in claims)
        taking = (store.take_claims(1, lease=LONG) for _ in range(20))
        answers = await asyncio.gather(*renewing, *taking, return_exceptions=True)
        lost = refused(answers, LeaseLost)
        assert list((await states(store)).values()).count("lost") == lost
        assert await bytes_of(store) == 20 - lost

    async def test_known_is_what_a_location_or_a_claim_names(self, store: ImageStore) -> None:
        located = (
            Location("mem:///located", {"store": "fast"}),
            Location("mem:///else", {"store": "slow"}),
            Location("mem:///any", {"x": {"store": "slow"}}),
            Location("mem:///odd", {"store": None}),
            Location("mem:///" + "ü" * 10_000),
        )
        await store.add(image(locations=located))
        await store.add_claim(claim("a"), lease=LONG)
        await store.add_claim(claim("b", store="slow"), lease=LONG)
        asked = [*(each.url for each in located), "mem:///a", "mem:///b", "mem:///", "mem:///%", "\0", "\ud800", ""]
        known = await store.known_urls("fast", asked)
        assert known == {"mem:///located", "mem:///any", located[-1].url, "mem:///a"}
        assert await store.known_urls("fast", []) == frozenset()
        await store.delete(ONE, 1, NOW)
        assert await store.known_urls("fast", asked) == {"mem:///a"}

    async def test_a_thousand_urls_are_asked_for_at_once(self, store: ImageStore) -> None:
        await store.add(image(locations=tuple(Location(f"mem:///{number}") for number in range(0, 1000, 10))))
        known = await store.known_urls("fast", [f"mem:///{number}" for number in range(1000)])
        assert known == {f"mem:///{number}" for number in range(0, 1000, 10)}

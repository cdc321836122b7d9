"""What every driver proves of the saves and deletions that change claims, and of objects that a save adopts."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from drivers.claims import ClaimState, Effects
from drivers.errors import ImageNotFound, LeaseLost, ObjectTaken, QuotaExceeded, RevisionConflict
from drivers.protocol import ImageStore
from drivers.records import Image, Location
from drivers.usage import Limits, Usage
from tests.conformance_claims import (
    LONG,
    NOW,
    ONE,
    OVER,
    STAGED,
    begin,
    bytes_of,
    claim,
    garbage,
    image,
    refused,
    states,
    take,
)

OTHER = "0a4d5b6e-1111-4222-8333-944444444444"


async def kept(store: ImageStore, **fields: Any) -> Image:
    """Keep an image, and give it."""
    made = image(**fields)
    await store.add(made)
    return made


class EffectConformance:
    """What every driver proves of the claims that a save or a deletion changes."""

    async def test_an_upload_is_counted_once_from_its_first_byte_to_its_last(self, store: ImageStore) -> None:
        limits = Limits(bytes=10)
        await store.add(image())
        effects = Effects(added=(claim(reserved=10),))
        saving = await store.save(image(status="saving"), limits=limits, effects=effects)
        assert await store.usage("p1") == Usage(1, bytes=10, uploading=1)
        active = replace(saving, status="active", size=10, locations=(Location("mem:///a"),))
        assert (await store.save(active, limits=limits, effects=Effects(done=("a",)))).revision == 3
        assert await store.usage("p1") == Usage(1, bytes=10)
        assert await states(store) == {}

    async def test_a_save_that_would_take_the_sum_over_a_limit_changes_nothing(self, store: ImageStore) -> None:
        saving = await begin(store, claim(reserved=10))
        active = replace(saving, status="active", size=11, locations=(Location("mem:///a"),))
        with pytest.raises(QuotaExceeded):
            await store.save(active, limits=Limits(bytes=10), effects=Effects(done=("a",), added=(garbage("b"),)))
        assert await states(store) == {"a": "writing"}
        assert await store.usage("p1") == Usage(1, bytes=10, uploading=1)
        assert (await store.get(ONE, "p1")).image == saving
        await store.renew_claim("a", lease=LONG, reserved=10)

    async def test_what_a_save_reserves_is_held_against_the_limit(self, store: ImageStore) -> None:
        await store.add(image())
        with pytest.raises(QuotaExceeded):
            await store.save(image(), limits=Limits(bytes=10), effects=Effects(added=(claim(reserved=11),)))
        assert (await states(store), await store.usage("p1")) == ({}, Usage(1))

    async def test_twenty_saves_that_reserve_never_overshoot_a_limit(self, store: ImageStore) -> None:
        images = [image(id=f"00000000-0000-4000-8000-{number:012}") for number in range(20)]
        for each in images:
            await store.add(each)
        saves = [
            store.save(each, limits=Limits(bytes=35), effects=Effects(added=(claim(each.id, reserved=10),)))
            for each in images
        ]
        assert refused(await asyncio.gather(*saves, return_exceptions=True), QuotaExceeded) == 17
        assert await store.usage("p1") == Usage(20, bytes=30)

    async def test_an_object_is_staged_until_its_image_drops_it(self, store: ImageStore) -> None:
        uploading = await begin(store, claim(size=10, reserved=10), size=10)
        staged = await store.save(replace(uploading, status="uploading"), effects=Effects(staged=("a",)))
        assert await store.usage("p1") == STAGED
        assert await take(store) == {}
        with pytest.raises(LeaseLost):
            await store.renew_claim("a", lease=LONG, reserved=0)
        await store.save(replace(staged, status="queued", size=None), effects=Effects(dropped=("a",)))
        assert await take(store) == {"a": "garbage"}

    async def test_a_writer_may_finish_late_if_nobody_noticed(self, store: ImageStore) -> None:
        saving = await begin(store, claim("a"), claim("b"), lease=OVER)
        await store.save(saving, effects=Effects(done=("a",), staged=("b",)))
        assert await states(store) == {"b": "staged"}
        assert await take(store) == {}

    @pytest.mark.parametrize("ending", ["done", "staged"])
    @pytest.mark.parametrize("lost", ["taken", "dropped", "staged", "never"])
    async def test_a_save_with_a_claim_that_was_lost_changes_nothing(
        self, store: ImageStore, ending: str, lost: str
    ) -> None:
        saving = await begin(store, claim("good", reserved=5), claim("dropped"))
        await store.add_claim(claim("taken"), lease=OVER)
        await take(store)
        await store.drop_claims(["dropped"])
        saving = await store.save(saving, effects=Effects(added=(claim("staged"),)))
        saving = await store.save(saving, effects=Effects(staged=("staged",)))
        before = await states(store)
        fields: dict[str, Any] = {ending: ("good", lost)}
        effects = Effects(**fields, dropped=("good",), added=(garbage("new"),))
        with pytest.raises(LeaseLost):
            await store.save(replace(saving, status="active", name="x"), effects=effects)
        assert (await store.get(ONE, "p1")).image == saving
        assert (await states(store), await bytes_of(store)) == (before, 5)

    async def test_a_save_cannot_add_what_is_claimed(self, store: ImageStore) -> None:
        saving = await begin(store, claim("a"))
        for taken in (claim("a", url="mem:///b"), claim("b", url="mem:///a")):
            with pytest.raises(LeaseLost):
                await store.save(saving, effects=Effects(added=(claim("c"), taken)))
        assert await states(store) == {"a": "writing"}
        assert (await store.get(ONE, "p1")).image == saving

    async def test_garbage_that_is_claimed_already_stays_as_it_is(self, store: ImageStore) -> None:
        saving = await begin(store, claim("a"))
        twice = (garbage("b"), garbage("c", url="mem:///b"), garbage("d", url="mem:///a"), garbage("a", url="mem:///x"))
        await store.save(saving, effects=Effects(added=twice))
        assert await states(store) == {"a": "writing", "b": "garbage"}

    async def test_a_save_drops_claims_in_whatever_state(self, store: ImageStore) -> None:
        saving = await begin(store, claim("writing", reserved=5), claim("staged"), garbage("garbage"))
        await store.add_claim(claim("lost", reserved=5), lease=OVER)
        assert await take(store) == {"garbage": "garbage", "lost": "lost"}
        saving = await store.save(saving, effects=Effects(staged=("staged",)))
        dropped = ("writing", "staged", "garbage", "lost", "never", "writing")
        await store.save(saving, effects=Effects(dropped=dropped))
        assert await take(store) == {"writing": "garbage", "staged": "garbage", "lost": "garbage"}
        assert await bytes_of(store) == 0

    async def test_what_a_claim_reserves_is_given_back_to_whom_it_was_taken_from(self, store: ImageStore) -> None:
        saving = await begin(store, claim(reserved=10, project_id="p2"))
        active = replace(saving, owner="p3", status="active", size=10, locations=(Location("mem:///a"),))
        await store.save(active, effects=Effects(done=("a",)))
        assert [await store.usage(each) for each in ("p1", "p2", "p3")] == [Usage(), Usage(), Usage(1, 10)]

    async def test_of_many_finishers_one_wins(self, store: ImageStore) -> None:
        saving = await begin(store, claim(reserved=10))
        active = replace(saving, status="active", size=10, locations=(Location("mem:///a"),))
        finishing = [store.save(active, effects=Effects(done=("a",))) for _ in range(10)]
        answers = await asyncio.gather(*finishing, return_exceptions=True)
        assert refused(answers, RevisionConflict) == 9
        assert await store.usage("p1") == Usage(1, 10)

    async def test_a_finisher_and_a_sweeper_never_both_win(self, store: ImageStore) -> None:
        for number in range(10):
            name = f"00000000-0000-4000-8000-{number:012}"
            await store.add(image(id=name))
            one = claim(name, image_id=name, reserved=10)
            saving = await store.save(image(id=name), effects=Effects(added=(one,), lease=OVER))
            finishing = store.save(replace(saving, status="active"), effects=Effects(done=(name,)))
            won, taken = await asyncio.gather(finishing, take(store), return_exceptions=True)
            assert isinstance(won, Image) == (taken == {})
            assert isinstance(won, LeaseLost) == (taken == {name: "lost"})
            assert await bytes_of(store) == 0

    async def test_a_deleted_images_claims_are_seen_to(self, store: ImageStore) -> None:
        saving = await begin(store, claim("written", reserved=5), claim("staged", reserved=5))
        await store.add_claim(claim("late", reserved=5), lease=OVER)
        saving = await store.save(saving, effects=Effects(staged=("staged",)))
        assert await bytes_of(store) == 10
        await store.delete(ONE, saving.revision, NOW, garbage=(garbage("data"), garbage("twice", url="mem:///data")))
        assert await states(store) == {"data": "garbage", "late": "lost", "staged": "garbage", "written": "lost"}
        assert await store.usage("p1") == Usage()
        assert await take(store) == {"data": "garbage", "late": "lost", "staged": "garbage"}

    async def test_a_writer_whose_image_is_deleted_notices(self, store: ImageStore) -> None:
        saving = await begin(store, claim(reserved=5))
        await store.delete(ONE, saving.revision, NOW)
        with pytest.raises(LeaseLost):
            await store.renew_claim("a", lease=LONG, reserved=5)
        with pytest.raises(ImageNotFound):
            await store.save(saving, effects=Effects(done=("a",)))
        await store.drop_claims(["a"])
        assert await take(store) == {"a": "garbage"}

    async def test_a_claim_may_be_added_for_an_image_that_is_gone(self, store: ImageStore) -> None:
        await store.add(image())
        await store.delete(ONE, 1, NOW)
        await store.add_claim(claim(reserved=5), lease=LONG)
        assert await states(store) == {"a": "writing"}
        assert await store.usage("p1") == Usage(bytes=5)

    async def test_a_refused_deletion_leaves_the_claims_alone(self, store: ImageStore) -> None:
        saving = await begin(store, claim(reserved=5))
        with pytest.raises(RevisionConflict):
            await store.delete(ONE, saving.revision - 1, NOW, garbage=(garbage("b"),))
        assert (await states(store), await bytes_of(store)) == ({"a": "writing"}, 5)

    async def test_renewals_and_a_deletion_at_once_leave_nothing_reserved(self, store: ImageStore) -> None:
        claims = [claim(str(number), reserved=1) for number in range(10)]
        saving = await begin(store, *claims)
        renewing = [store.renew_claim(each.id, lease=LONG, reserved=2) for each in claims]
        deleting = store.delete(ONE, saving.revision, NOW)
        refused(await asyncio.gather(*renewing[:5], deleting, *renewing[5:], return_exceptions=True), LeaseLost)
        assert set((await states(store)).values()) == {"lost"}
        assert await store.usage("p1") == Usage()

    @pytest.mark.parametrize("state", ["writing", "staged", "lost", "garbage"])
    async def test_a_save_cannot_adopt_what_a_claim_has(self, store: ImageStore, state: ClaimState) -> None:
        await store.add_claim(claim(state=state), lease=LONG)
        await self.refuse_to_adopt(store, await kept(store), "mem:///a")

    @pytest.mark.parametrize("image_id", [ONE, OTHER], ids=["itself", "another"])
    @pytest.mark.parametrize("metadata", [{"store": "fast"}, {}], ids=["in this store", "in any store"])
    async def test_a_save_cannot_adopt_what_an_image_has(
        self, store: ImageStore, image_id: str, metadata: dict[str, str]
    ) -> None:
        has = await kept(store, id=image_id, locations=(Location("mem:///a", metadata),))
        await self.refuse_to_adopt(store, has if image_id == ONE else await kept(store), "mem:///a")

    async def refuse_to_adopt(self, store: ImageStore, before: Image, taken: str) -> None:
        """See a save refused that adopts something free and something taken, and see that it did nothing."""
        held = await states(store)
        adopted = (("fast", "mem:///free"), ("fast", taken))
        locations = tuple(Location(url, {"store": where}) for where, url in adopted)
        with pytest.raises(ObjectTaken):
            await store.save(
                replace(before, status="active", locations=locations),
                effects=Effects(adopted=adopted, added=(garbage("new"),)),
            )
        assert ((await store.get(ONE, "p1", locations=True)).image, await states(store)) == (before, held)
        assert "mem:///free" not in await store.known_urls("fast", ["mem:///free"])

    async def test_an_object_of_that_url_in_another_store_is_another_object(self, store: ImageStore) -> None:
        await kept(store, id=OTHER, locations=(Location("mem:///a", {"store": "slow"}),))
        await store.add_claim(claim("b", store="slow"), lease=LONG)
        saved = await self.adopt(store, await kept(store), "mem:///a", "mem:///b")
        assert (await store.get(ONE, "p1", locations=True)).image == saved

    async def test_an_object_may_be_adopted_again_when_it_is_nobodys_any_more(self, store: ImageStore) -> None:
        first = await self.adopt(store, await kept(store), "mem:///a")
        await store.delete(ONE, first.revision, NOW, garbage=[garbage("a")])
        other = await kept(store, id=OTHER)
        with pytest.raises(ObjectTaken):
            await self.adopt(store, other, "mem:///a")
        await store.forget_claims(["a"])
        await self.adopt(store, other, "mem:///a")

    async def test_of_many_images_that_adopt_an_object_at_once_one_has_it(self, store: ImageStore) -> None:
        # Each of its own project, whose usage no other save waits for.
        ids = {f"p{number}": f"00000000-0000-4000-8000-{number:012}" for number in range(20)}
        images = [await kept(store, id=image_id, owner=owner) for owner, image_id in ids.items()]
        # Who has to connect first comes too late to meet anybody.
        await asyncio.gather(*map(store.usage, ids))
        # In either order, so that two can meet halfway.
        urls = ["mem:///a", "mem:///b"]
        saves = [self.adopt(store, each, *urls[:: 1 if number % 2 else -1]) for number, each in enumerate(images)]
        assert refused(await asyncio.gather(*saves, return_exceptions=True), ObjectTaken) == 19
        after = [(await store.get(each.id, None, locations=True)).image for each in images]
        assert sorted(len(each.locations) for each in after) == [0] * 19 + [2]

    async def adopt(self, store: ImageStore, before: Image, *urls: str) -> Image:
        """Let an image have objects of the store `fast` that nobody has."""
        locations = tuple(Location(url, {"store": "fast"}) for url in urls)
        effects = Effects(adopted=tuple(("fast", url) for url in urls))
        return await store.save(replace(before, status="active", locations=locations), effects=effects)

"""Claims in a dictionary."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from msgspec.structs import replace

from drivers.claims import LEASE, Claim, Effects
from drivers.errors import LeaseLost, ObjectTaken
from drivers.memory.state import MemoryState
from drivers.usage import UNLIMITED, Limits, usage_changes


class MemoryClaims(MemoryState):
    """Keeps the contract of ClaimStore."""

    async def add_claim(self, claim: Claim, *, lease: timedelta, limits: Limits = UNLIMITED) -> None:
        """See ClaimStore.add_claim."""
        self._check_new([claim])
        self._count(usage_changes(reserved=[claim]), limits)
        self._keep_new([claim], lease)

    async def renew_claim(self, claim_id: str, *, lease: timedelta, reserved: int, limits: Limits = UNLIMITED) -> None:
        """See ClaimStore.renew_claim."""
        before = self._writing(claim_id)
        after = replace(before, reserved=reserved)
        self._count(usage_changes(released=[before], reserved=[after]), limits)
        self._claims[claim_id] = after
        self._claims_due[claim_id] = self._after(lease)

    async def drop_claims(self, claim_ids: Sequence[str]) -> None:
        """See ClaimStore.drop_claims."""
        self._count(usage_changes(released=self._known(claim_ids)))
        self._drop(claim_ids)

    async def claims(self, image_id: str) -> Sequence[Claim]:
        """See ClaimStore.claims."""
        return [claim for _, claim in sorted(self._claims.items()) if claim.image_id == image_id]

    async def take_claims(self, limit: int, *, lease: timedelta) -> Sequence[Claim]:
        """See ClaimStore.take_claims."""
        now = self._clock()
        due = sorted((at, claim_id) for claim_id, at in self._claims_due.items() if at <= now)
        taken = [self._claims[claim_id] for _, claim_id in due[:limit]]
        self._count(usage_changes(released=taken))
        for claim in taken:
            self._claims[claim.id] = replace(claim, state="lost" if claim.state == "writing" else claim.state)
            self._claims_due[claim.id] = self._after(lease)
        return [self._claims[claim.id] for claim in taken]

    async def forget_claims(self, claim_ids: Sequence[str]) -> None:
        """See ClaimStore.forget_claims."""
        self._count(usage_changes(released=self._known(claim_ids)))
        self._forget(claim_ids)

    async def known_urls(self, store: str, urls: Sequence[str]) -> frozenset[str]:
        """See ClaimStore.known_urls."""
        return frozenset(url for url in urls if self._is_known(store, url))

    def _is_known(self, store: str, url: str) -> bool:
        located = any(
            location.url == url and location.metadata.get("store", store) == store
            for image in self._images.values()
            for location in image.locations
        )
        return located or any((claim.store, claim.url) == (store, url) for claim in self._claims.values())

    def _writing(self, claim_id: str) -> Claim:
        claim = self._claims.get(claim_id)
        if claim is None or claim.state != "writing":
            raise LeaseLost(f"The lease of the claim {claim_id} is lost.")
        return claim

    def _known(self, claim_ids: Iterable[str]) -> list[Claim]:
        return [self._claims[claim_id] for claim_id in set(claim_ids) if claim_id in self._claims]

    def _taken(self, claim: Claim) -> bool:
        objects = {(each.store, each.url) for each in self._claims.values()}
        return claim.id in self._claims or (claim.store, claim.url) in objects

    def _check_new(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            if claim.state == "writing" and self._taken(claim):
                raise LeaseLost(f"The lease of the claim {claim.id} is lost.")

    def _keep_new(self, claims: Iterable[Claim], lease: timedelta = LEASE) -> None:
        for claim in claims:
            if not self._taken(claim):
                self._claims[claim.id] = claim
                self._claims_due[claim.id] = self._after(lease) if claim.state == "writing" else self._clock()

    def _drop(self, claim_ids: Iterable[str]) -> None:
        for claim in self._known(claim_ids):
            if claim.state != "garbage":
                self._claims[claim.id] = replace(claim, state="garbage")
                self._claims_due[claim.id] = self._clock()

    def _forget(self, claim_ids: Iterable[str]) -> None:
        for claim_id in claim_ids:
            self._claims.pop(claim_id, None)
            self._claims_due.pop(claim_id, None)

    def _check_effects(self, effects: Effects) -> list[Claim]:
        """Give the claims that are to change. Raise LeaseLost, ObjectTaken."""
        for claim_id in (*effects.staged, *effects.done):
            self._writing(claim_id)
        self._check_new(effects.added)
        if any(self._is_known(store, url) for store, url in effects.adopted):
            raise ObjectTaken
        return self._known((*effects.staged, *effects.done, *effects.dropped))

    def _take_effect(self, effects: Effects) -> None:
        for claim_id in effects.staged:
            self._claims[claim_id] = replace(self._claims[claim_id], state="staged")
            del self._claims_due[claim_id]
        self._forget(effects.done)
        self._drop(effects.dropped)
        self._keep_new(effects.added, effects.lease)

    def _orphan(self, image_id: str) -> None:
        """Let the claims of a deleted image go."""
        for claim in list(self._claims.values()):
            if claim.image_id == image_id and claim.state == "writing":
                self._claims[claim.id] = replace(claim, state="lost")
            elif claim.image_id == image_id and claim.state == "staged":
                self._drop([claim.id])

"""Claims over PostgreSQL."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

import asyncpg
import msgspec
from msgspec.structs import replace

from drivers.claims import LEASE, Claim, Effects
from drivers.errors import LeaseLost, ObjectTaken
from drivers.postgres import claim_statements as statements
from drivers.postgres.conditions import storable
from drivers.postgres.connections import PostgresConnections, count
from drivers.usage import UNLIMITED, Limits, usage_changes


class PostgresClaims(PostgresConnections):
    """Keeps the contract of ClaimStore."""

    async def add_claim(self, claim: Claim, *, lease: timedelta, limits: Limits = UNLIMITED) -> None:
        """See ClaimStore.add_claim."""
        async with self._transaction() as connection:
            await _add(connection, [claim], lease)
            await count(connection, usage_changes(reserved=[claim]), limits)

    async def renew_claim(self, claim_id: str, *, lease: timedelta, reserved: int, limits: Limits = UNLIMITED) -> None:
        """See ClaimStore.renew_claim."""
        async with self._transaction() as connection:
            (before,) = await _lock_writing(connection, [claim_id])
            after = replace(before, reserved=reserved)
            await connection.execute(statements.RENEW_CLAIM, claim_id, reserved, lease)
            await count(connection, usage_changes(released=[before], reserved=[after]), limits)

    async def drop_claims(self, claim_ids: Sequence[str]) -> None:
        """See ClaimStore.drop_claims."""
        await self._release(statements.DROP_CLAIMS, claim_ids)

    async def claims(self, image_id: str) -> Sequence[Claim]:
        """See ClaimStore.claims."""
        if not storable(image_id):
            return []
        async with self._connection() as connection:
            return [Claim(**dict(row)) for row in await connection.fetch(statements.READ_CLAIMS, image_id)]

    async def take_claims(self, limit: int, *, lease: timedelta) -> Sequence[Claim]:
        """See ClaimStore.take_claims."""
        async with self._transaction() as connection:
            rows = await connection.fetch(statements.TAKE_CLAIMS, limit, lease)
            before, after = _changed(rows)
            await count(connection, usage_changes(released=before))
        return after

    async def forget_claims(self, claim_ids: Sequence[str]) -> None:
        """See ClaimStore.forget_claims."""
        await self._release(statements.FORGET_CLAIMS, claim_ids)

    async def known_urls(self, store: str, urls: Sequence[str]) -> frozenset[str]:
        """See ClaimStore.known_urls."""
        asked = [url for url in urls if storable(url)]
        async with self._transaction() as connection:
            await connection.execute(statements.ALLOW_BITMAPS)
            return frozenset(row["url"] for row in await connection.fetch(statements.KNOWN_URLS, store, asked))

    async def _release(self, statement: str, claim_ids: Sequence[str]) -> None:
        async with self._transaction() as connection:
            before = await _lock(connection, claim_ids)
            await connection.execute(statement, claim_ids)
            await count(connection, usage_changes(released=before))


async def take_effect(connection: asyncpg.Connection, effects: Effects) -> list[Claim]:
    """Do to claims what a save does; give those that change, as they were. Raise LeaseLost, ObjectTaken."""
    for store, url in sorted(effects.adopted):
        await _require_unknown(connection, store, url)
    ending = (*effects.staged, *effects.done)
    before = await _lock_writing(connection, ending, effects.dropped)
    for statement, claim_ids in (
        (statements.STAGE_CLAIMS, effects.staged),
        (statements.FORGET_CLAIMS, effects.done),
        (statements.DROP_CLAIMS, effects.dropped),
    ):
        if claim_ids:
            await connection.execute(statement, claim_ids)
    await _add(connection, effects.added, effects.lease)
    return before


async def _require_unknown(connection: asyncpg.Connection, store: str, url: str) -> None:
    # Whoever adopts the same object waits here until this save is over, and then finds the location that it made.
    await connection.execute(statements.LOCK_OBJECT, store, url)
    await connection.execute(statements.ALLOW_BITMAPS)
    if await connection.fetch(statements.KNOWN_URLS, store, [url]):
        raise ObjectTaken


async def orphan(connection: asyncpg.Connection, image_id: str, garbage: Sequence[Claim]) -> list[Claim]:
    """Let the claims of a deleted image go, and add to them; give those that changed, as they were."""
    before, _ = _changed(await connection.fetch(statements.ORPHAN_CLAIMS, image_id))
    await _add(connection, garbage, LEASE)
    return before


async def _lock(connection: asyncpg.Connection, claim_ids: Sequence[str]) -> list[Claim]:
    if not claim_ids:
        return []
    return [Claim(**dict(row)) for row in await connection.fetch(statements.LOCK_CLAIMS, claim_ids)]


async def _lock_writing(
    connection: asyncpg.Connection, writing: Sequence[str], others: Sequence[str] = ()
) -> list[Claim]:
    claims = await _lock(connection, (*writing, *others))
    held = {claim.id for claim in claims if claim.state == "writing"}
    for claim_id in writing:
        if claim_id not in held:
            raise _lost(claim_id)
    return claims


async def _add(connection: asyncpg.Connection, claims: Sequence[Claim], lease: timedelta) -> None:
    if not claims:
        return
    rows = await connection.fetch(statements.ADD_CLAIMS, msgspec.to_builtins(claims), lease)
    added = {row["id"] for row in rows}
    for claim in claims:
        if claim.state == "writing" and claim.id not in added:
            raise _lost(claim.id)


def _changed(rows: Iterable[asyncpg.Record]) -> tuple[list[Claim], list[Claim]]:
    """Give the claims of rows of CHANGED as they were and as they are."""
    fields = [dict(row) for row in rows]
    states = [each.pop("was") for each in fields]
    after = [Claim(**each) for each in fields]
    return [replace(claim, state=state) for claim, state in zip(after, states, strict=True)], after


def _lost(claim_id: str) -> LeaseLost:
    return LeaseLost(f"The lease of the claim {claim_id} is lost.")

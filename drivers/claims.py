"""Objects of image data that no location names: on their way in, staged, or on their way out (design: bytes)."""

from datetime import timedelta
from typing import Literal

import msgspec

from drivers.tasks import Task

# `writing`: under a lease of the process that writes it. `staged`: whole, waiting for an import of its image.
# `lost`: its writer's lease ran out, or its image was deleted. `garbage`: nobody's any more.
ClaimState = Literal["writing", "staged", "lost", "garbage"]
LEASE = timedelta(seconds=30)


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One object, from before its first byte until a location names it, or until it is gone.

    `id` is the writer's own, made up by it. `url` names the object in `store`, which no second claim may name; where
    one does, garbage is passed over, and a writer has lost. `size`: bytes, once they are known.
    `reserved`: bytes that count as held by `project_id` while the claim is `writing`, so that concurrent uploads
    cannot overshoot a quota.
    """

    id: str
    image_id: str
    store: str
    url: str
    state: ClaimState = "writing"
    size: int | None = None
    project_id: str | None = None
    reserved: int = 0


class Effects(msgspec.Struct, frozen=True, kw_only=True):
    """What else a save of an image does, in the same transaction.

    `added` are new claims: `writing` ones under a `lease`, or `garbage`, to be removed at once. `staged` are claims
    whose object the image stages from now on, `done` those whose object one of its locations names from now on; both
    have to be `writing` still, be their lease out or not. `dropped` claims, in whatever state, are `garbage` from now
    on. `task` is added when it is not there and nobody ever took it up, else saved as by `save_task`; one that is added
    `processing` is its adder's, under the `lease`.
    `adopted` are stores and URLs in them that locations name from now on, and that no image and no claim may have yet.
    """

    added: tuple[Claim, ...] = ()
    staged: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    lease: timedelta = LEASE
    task: Task | None = None
    adopted: tuple[tuple[str, str], ...] = ()


NO_EFFECTS = Effects()

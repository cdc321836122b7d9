"""Change a record without losing anybody else's change: read, decide, save, and again when somebody was faster."""

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from drivers.errors import RevisionConflict
from drivers.records import Image, View


async def revise(
    read: Callable[[], Awaitable[View]],
    decide: Callable[[View], Image | None],
    save: Callable[[View, Image], Awaitable[Image]],
) -> View:
    """Let `decide` say what an image becomes, None for no change; save that in place of what it was, and give it.

    Each lost race means that another change won, so the loop ends. Raises what the three raise.
    """
    while True:
        view = await read()
        image = decide(view)
        if image is None:
            return view
        try:
            return replace(view, image=await save(view, image))
        except RevisionConflict:
            continue

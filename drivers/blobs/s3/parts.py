"""An object cut into the parts that S3 takes: as few as it allows, as small as can be."""

from collections.abc import AsyncGenerator, AsyncIterable, Sequence

MIB = 1 << 20
# S3's limits: parts of 5 MiB to 5 GiB, 10,000 of them, 5 TiB in all.
PART = 8 * MIB
MOST_PARTS = 10_000
# Where the size is not known, each part is this fraction of what came before: 10,000 parts then make 5 TiB.
GROWTH = 1390

Part = Sequence[bytes]


def part_size(done: int, size: int | None) -> int:
    """Tell how many bytes the part has that follows `done` bytes of an object of `size`."""
    least = done // GROWTH if size is None else -(-size // MOST_PARTS)
    return max(PART, -(-least // MIB) * MIB)


async def cut(blocks: AsyncIterable[bytes], size: int | None) -> AsyncGenerator[Part, None]:
    """Give the parts, none of them empty but the only one; their blocks are not copied."""
    part: list[bytes] = []
    done = length = 0
    room = part_size(0, size)
    async for block in blocks:
        rest = memoryview(block)
        while len(rest) >= room - length:
            taken, rest = rest[: room - length], rest[room - length :]
            part.append(bytes(taken) if len(taken) < len(block) else block)
            yield part
            done += room
            part, length, room = [], 0, part_size(done, size)
        if rest:
            part.append(bytes(rest) if len(rest) < len(block) else block)
            length += len(rest)
    if part or not done:
        yield part

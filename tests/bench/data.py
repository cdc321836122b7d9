"""What every server of the benchmark knows: the images, and the one caller with a token."""

from collections.abc import Iterable
from datetime import UTC, datetime
from random import Random
from uuid import UUID

from drivers.protocol import ImageStore
from drivers.records import Image
from service.caller import Caller

COUNT = 1_000
TOKEN = "a-token-as-long-as-those-of-Keystone-" + "x" * 150
CALLER = Caller(user_id="bench", project_id="f5d834d636c642c7bfe8af86139c6f26", roles=frozenset({"member", "reader"}))
NOW = datetime(2026, 1, 28, 12, 58, 17, 123456, tzinfo=UTC)


def images() -> list[Image]:
    """Make the images, the same in every process: ten additional properties and five tags each."""
    random = Random(1)
    return [_image(str(UUID(int=random.getrandbits(128), version=4))) for _ in range(COUNT)]


def _image(image_id: str) -> Image:
    return Image(
        id=image_id,
        name="bench-show",
        status="active",
        owner=CALLER.project_id,
        container_format="bare",
        disk_format="raw",
        size=2**20,
        checksum="443b7623e27ecf03dc9e01ee93f67afe",
        os_hash_algo="sha512",
        os_hash_value="6513f21e44aa3da349f248188a44bc304a3653a04122d8fb4535423c8e1d14cd" * 2,
        created_at=NOW,
        updated_at=NOW,
        tags=tuple("abcde"),
        properties={f"p{number}": str(number) for number in range(10)},
    )


def path(image: Image) -> str:
    """Say where an image is asked for."""
    return f"/v2/images/{image.id}"


async def fill(store: ImageStore, records: Iterable[Image]) -> None:
    """Keep the images in a store."""
    for image in records:
        await store.add(image)

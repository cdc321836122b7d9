"""A record with what its data turned out to be."""

from msgspec.structs import replace

from drivers.records import Image, Location
from service.data.formats import judge
from service.data.measure import Measured
from service.settings import Settings


def virtual_size_of(measured: Measured, image: Image, settings: Settings) -> int | None:
    """Give the virtual size of data that was inspected for an image. Raises UnsupportedContent."""
    return None if measured.formats is None else judge(measured.formats, image, measured.size, settings)


def filled(image: Image, location: Location, measured: Measured, virtual_size: int | None) -> Image:
    """Put data on record that is at a location; what the image knew of it already is the same."""
    return replace(
        image,
        locations=(*image.locations, location),
        size=measured.size,
        virtual_size=virtual_size,
        checksum=measured.checksum,
        os_hash_algo=measured.os_hash_algo,
        os_hash_value=measured.os_hash_value,
    )


def emptied(image: Image) -> Image:
    """Take off the record all that is known of data, as none of it is kept."""
    return replace(
        image,
        status="queued",
        locations=(),
        size=None,
        virtual_size=None,
        checksum=None,
        os_hash_algo=None,
        os_hash_value=None,
    )

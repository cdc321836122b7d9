"""An image of another image service, fetched by the import method `glance-download` (reference section 2.3.2)."""

from typing import Any, NamedTuple

from msgspec.structs import replace

from drivers.blobs.fetch import Fetcher
from drivers.errors import FetchRefused, StoreError
from drivers.records import Image
from service.body import decode_json
from service.editing import check_property_quota
from service.image_names import check_length
from service.refusals import BadRequest
from service.settings import Secret, Settings
from service.work.sources import SourceFailed, UrlSource

# Bytes of a record; one of the most properties with the longest values stays below.
RECORD_LIMIT = 4 << 20


class RemoteImage(NamedTuple):
    """What another service tells of an image, and its data."""

    record: dict[str, Any]
    source: UrlSource

    def copied_to(self, image: Image, settings: Settings) -> Image:
        """Give an image the formats of this one, and those of its properties that the settings let through.

        Raises BadRequest for names that are too long, QuotaExceeded for too many.
        """
        prefixes = settings.glance_download_properties
        properties = {
            name: value
            for name, value in self.record.items()
            if isinstance(value, str) and name.startswith(prefixes) and not name.startswith("os_glance")
        }
        for name in properties:
            check_length(name)
        properties = image.properties | properties
        check_property_quota(properties, settings)
        return replace(
            image,
            disk_format=self.record.get("disk_format"),
            container_format=self.record.get("container_format"),
            properties=properties,
        )


async def read_remote(fetcher: Fetcher, url: str, token: Secret, image_id: str, settings: Settings) -> RemoteImage:
    """Read the record of an image of the service at a URL. Raises SourceFailed, also for what ours may not be."""
    path = f"{url.rstrip('/').removesuffix('/v2')}/v2/images/{image_id}"
    headers = {"X-Auth-Token": token.reveal()}
    try:
        fetched = await fetcher.open(path, headers=headers)
        raw = bytearray()
        async for block in fetched.blocks():
            raw += block
            if len(raw) > RECORD_LIMIT:
                raise SourceFailed("The other service answered with more than a record.")
        record = decode_json(bytes(raw))
    except (FetchRefused, StoreError, BadRequest) as error:
        raise SourceFailed(f"The image of the other service cannot be read: {error}") from None
    if not isinstance(record, dict) or record.get("status") != "active":
        raise SourceFailed("The image of the other service is not active.")
    formats = {"disk_format": settings.disk_formats, "container_format": settings.container_formats}
    for name, known in formats.items():
        if record.get(name) not in known:
            raise SourceFailed(f"The image of the other service has a {name} that images do not have here.")
    size = record.get("size")
    return RemoteImage(record, UrlSource(fetcher, f"{path}/file", headers, size if isinstance(size, int) else None))


def without_copied(image: Image, before: Image) -> Image:
    """Take off an image again what `copied_to` put on it."""
    properties = {
        name: value
        for name, value in image.properties.items()
        if name in before.properties or name.startswith("os_glance")
    }
    return replace(
        image, disk_format=before.disk_format, container_format=before.container_format, properties=properties
    )

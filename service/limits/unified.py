"""The unified limits that Keystone keeps for image services: their names and units (reference section 7)."""

from typing import NamedTuple

MIB = 2**20


class UnifiedLimit(NamedTuple):
    """One limit: its name in Keystone, the field of Usage and Limits it is about, and what one of it is there."""

    name: str
    field: str
    unit: int


UNIFIED_LIMITS = (
    UnifiedLimit("image_size_total", "bytes", MIB),
    UnifiedLimit("image_stage_total", "staged_bytes", MIB),
    UnifiedLimit("image_count_total", "images", 1),
    UnifiedLimit("image_count_uploading", "uploading", 1),
)

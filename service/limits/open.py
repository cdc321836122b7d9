"""The source of limits that the settings choose."""

from service.limits.fixed import FixedLimits, read_storage_quota
from service.limits.keystone import KeystoneLimits
from service.limits.protocol import LimitSource
from service.settings import Settings
from service.tokens.open import needed, open_system_session

ASKER = "VITRINE_USE_KEYSTONE_LIMITS"


async def open_limits(settings: Settings) -> LimitSource:
    """Open the source; with unified limits it does not talk to Keystone before the first question.

    Raises SettingsError when a setting it needs is missing or malformed.
    """
    if not settings.use_keystone_limits:
        return FixedLimits(read_storage_quota(settings.user_storage_quota))
    endpoint_id = needed(settings.limit_endpoint_id, "LIMIT_ENDPOINT_ID", ASKER)
    return KeystoneLimits(open_system_session(settings, ASKER), endpoint_id)

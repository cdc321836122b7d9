"""What decides about an image besides the image itself: policy, property protections and settings, together."""

import msgspec

from service.policy.engine import Policy
from service.protections import Protections
from service.settings import Settings


class Rules(msgspec.Struct, frozen=True):
    """The three that most decisions need."""

    policy: Policy
    protections: Protections
    settings: Settings

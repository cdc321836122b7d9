"""What of an image a caller may see: the options offer it, policy and protections grant it."""

from drivers.records import View
from service.caller import Caller
from service.policy.gates import may_see_locations
from service.rules import Rules
from service.settings import Settings
from service.wire import Shown


def offers_locations(settings: Settings) -> bool:
    """Tell whether any option shows something of an image's locations, so that a read need load them."""
    return settings.show_image_direct_url or settings.show_multiple_locations or settings.multi_store


def shown_fields(rules: Rules, caller: Caller, view: View) -> Shown:
    """Choose among `direct_url`, `locations` and `stores` (reference section 3.4), and the properties to hide.

    Nobody but an admin learns where the data of a deactivated image is.
    """
    settings = rules.settings
    hidden = rules.protections.unreadable(view.image.properties, caller)
    if not offers_locations(settings) or not may_see_locations(rules.policy, caller, view):
        return Shown(hidden=hidden)
    return Shown(
        direct_url=settings.show_image_direct_url,
        locations=settings.show_multiple_locations,
        stores=settings.multi_store,
        emptied=view.image.status == "deactivated" and not rules.policy.is_admin(caller),
        hidden=hidden,
    )

"""The two gates in front of every image: who may know that it exists, and who may do what to it."""

from drivers.errors import ImageNotFound
from drivers.records import View
from service.caller import Caller
from service.policy.engine import Policy
from service.policy.language import Target
from service.policy.targets import ImageTarget


class PolicyForbids(Exception):
    """The caller may know of the target but may not do this to it."""

    def __init__(self, rule: str) -> None:
        super().__init__(f"You are not authorized to complete {rule} action.")
        self.rule = rule


def visible(view: View, caller: Caller, policy: Policy) -> bool:
    """Tell whether the caller may know that the image exists (gate 1, reference section 0.3)."""
    image = view.image
    return (
        image.visibility in {"public", "community"}
        or image.owner is None
        or image.owner == caller.project_id
        or (image.visibility == "shared" and view.member_status is not None)
        or policy.is_admin(caller)
    )


def may(policy: Policy, rule: str, caller: Caller, view: View, member_id: str | None = None) -> bool:
    """Tell whether a rule lets the caller through to an image that is visible to them (gate 2, without its answer).

    `member_id` is the membership that the rule is about, where it is about one.
    """
    return policy.allows(rule, caller, ImageTarget(view, caller, member_id))


def require_visible(view: View, caller: Caller, policy: Policy) -> None:
    """Raise ImageNotFound unless the caller may know that the image exists (gate 1)."""
    if not visible(view, caller, policy):
        raise ImageNotFound(view.image.id)


def require(policy: Policy, rule: str, caller: Caller, view: View) -> None:
    """Let the caller pass both gates to do what `rule` guards (reference section 0.3), or raise.

    Raises ImageNotFound when the image is invisible, or when both `rule` and `get_image` refuse, so that 403 never
    tells a stranger that the image exists; PolicyForbids when only `rule` refuses. A caller who passes `rule` but not
    `get_image` passes. Tokens of a system or a domain pass no rule, so all images are hidden from them.
    """
    require_visible(view, caller, policy)
    target = ImageTarget(view, caller)
    if policy.allows(rule, caller, target):
        return
    if not policy.allows("get_image", caller, target):
        raise ImageNotFound(view.image.id)
    raise PolicyForbids(rule)


def require_collection(policy: Policy, rule: str, caller: Caller, target: Target) -> None:
    """Let the caller do what `rule` guards where there is no image yet, or raise PolicyForbids.

    `target` is what the rule may ask about: an image that is only wished for, the caller's own collection, or `{}`.
    """
    if not policy.allows(rule, caller, target):
        raise PolicyForbids(rule)


def may_see_locations(policy: Policy, caller: Caller, view: View) -> bool:
    """Tell whether `direct_url`, `locations` and `stores` may be shown, where the options offer them at all.

    Glance asks the options alone and so shows URLs to every reader of a public image; here `get_image_location`
    decides as well (reference section 3.4). That a deactivated image shows none is no rule's doing, so not asked here.
    """
    return may(policy, "get_image_location", caller, view)

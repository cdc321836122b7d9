"""What rules may ask of the thing that is acted upon."""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Final

import msgspec

from drivers.records import Image, View
from service.caller import Caller
from service.policy.language import Target

# `revision` is nobody's business and may be the name of a property; the others cannot be compared with text.
_UNASKED = frozenset({"properties", "locations", "revision"})
_FIELDS: Final[Mapping[str, Callable[[Image], object]]] = {
    **{name: attrgetter(name) for name in Image.__struct_fields__ if name not in _UNASKED},
    "project_id": attrgetter("owner"),
}


class ImageTarget(msgspec.Struct, frozen=True, gc=False):
    """An image as rules ask about it, looked up name by name (reference appendix A).

    Known are the fields, `project_id` for the owner, `member_id` for the caller's project where the image is shared
    with it, and every additional property whose name is none of these: a property never stands in for a field.
    About one membership, `member_id` is that member, whoever asks.
    """

    view: View
    caller: Caller
    member_id: str | None = None

    def get(self, name: str, default: object, /) -> object:
        """Give the field or property of this name, or `default` when the image has none."""
        field = _FIELDS.get(name)
        if field is not None:
            return field(self.view.image)
        if name == "member_id":
            return self.member_id or self._own_membership()
        return self.view.image.properties.get(name, default)

    def _own_membership(self) -> str | None:
        image, project = self.view.image, self.caller.project_id
        member = image.visibility == "shared" and image.owner != project and self.view.member_status is not None
        return project if member else None


def own_images(caller: Caller) -> Target:
    """Give what rules about a collection, such as `get_images`, may ask: whose images it is about."""
    return {"project_id": caller.project_id, "owner": caller.project_id}

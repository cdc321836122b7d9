"""Property protections: which roles may create, read, update and delete which additional properties (section 10.1)."""

from typing import Literal

import msgspec

from service.caller import Caller

Action = Literal["create", "read", "update", "delete"]


class Protections(msgspec.Struct, frozen=True):
    """What an operator's file says of properties; without one, everybody who may touch the image may all."""

    def may(self, action: Action, name: str, caller: Caller) -> bool:
        """Tell whether the caller may do this to the property of that name."""
        return True

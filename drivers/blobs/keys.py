"""How objects may be named, the same in every store."""

import re

LONGEST = 200
_KEY = re.compile(rf"[A-Za-z0-9_-][A-Za-z0-9._-]{{0,{LONGEST - 1}}}", re.ASCII)


def is_key(text: str) -> bool:
    """Tell whether this names an object: letters, digits, `-`, `_` and `.`, but no `.` at the beginning."""
    return _KEY.fullmatch(text) is not None

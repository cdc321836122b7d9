"""Values against the image schema, the same document that clients are shown."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

from service.refusals import BadRequest

TEXT_LIMIT = 300
# Of the faults of a value, so many are compared to tell the most telling one; a body has room for a million.
MOST_FAULTS = 20


class ImageSchema:
    """The image schema, compiled from the document that clients are shown."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._required = Draft7Validator({"required": document.get("required", [])})
        self._other = Draft7Validator(document["additionalProperties"])
        self._fields = {name: Draft7Validator(field) for name, field in document["properties"].items()}

    def check(self, body: Mapping[str, Any]) -> None:
        """Raise BadRequest unless the body may be an image's fields and properties."""
        _check(self._required, body, "the object")
        for name, value in body.items():
            self.check_field(name, value)

    def check_field(self, name: str, value: Any) -> None:
        """Raise BadRequest unless the value may be that field's, or that property's."""
        _check(self._fields.get(name, self._other), value, name)


def _check(validator: Draft7Validator, value: Any, name: str) -> None:
    error = best_match(islice(validator.iter_errors(value), MOST_FAULTS))
    if error is None:
        return
    place = ".".join(map(str, (name, *error.absolute_path)))
    # The library quotes the value, which may be as long as the body.
    message = error.message if len(error.message) <= TEXT_LIMIT else f"{error.message[:TEXT_LIMIT]}..."
    raise BadRequest(f"Provided object does not match schema 'image': {place}: {message}.")

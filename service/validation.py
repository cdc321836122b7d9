"""Values against the image schema, the same document that clients are shown."""

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError, best_match

from service.refusals import BadRequest

TEXT_LIMIT = 300


class ImageSchema:
    """The image schema, compiled from the document that clients are shown."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._whole = Draft7Validator(document)
        self._other = Draft7Validator(document["additionalProperties"])
        self._fields = {name: Draft7Validator(field) for name, field in document["properties"].items()}

    def check(self, body: Mapping[str, Any]) -> None:
        """Raise BadRequest unless the body may be an image's fields and properties."""
        error = best_match(self._whole.iter_errors(body))
        if error is not None:
            raise BadRequest(_text(".".join(map(str, error.absolute_path)), error))

    def check_field(self, name: str, value: Any) -> None:
        """Raise BadRequest unless the value may be that field's, or that property's."""
        error = best_match(self._fields.get(name, self._other).iter_errors(value))
        if error is not None:
            raise BadRequest(_text(name, error))


def _text(place: str, error: ValidationError) -> str:
    # The library quotes the value, which may be as long as the body.
    message = error.message if len(error.message) <= TEXT_LIMIT else f"{error.message[:TEXT_LIMIT]}..."
    return f"Provided object does not match schema 'image': {place or 'the object'}: {message}."

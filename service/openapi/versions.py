"""The documentation of version discovery."""

from service.handlers.versions import Versions
from service.openapi.operation import JSON, Answer, Header, Operation, Parameter

ANY_METHOD = "Any other method is answered alike."

CHOOSE_VERSION = Operation(
    "Versions",
    "List the versions of the API, as a choice",
    {300: Answer("The versions, newest first.", {JSON: Versions})},
    description=ANY_METHOD,
)
LIST_VERSIONS = Operation(
    "Versions",
    "List the versions of the API",
    {200: Answer("The versions, newest first.", {JSON: Versions})},
    description=ANY_METHOD,
)
LIST_VERSIONS_BELOW = LIST_VERSIONS._replace(
    parameters=(Parameter("path", "tail", "Anything, with slashes or without; it makes no difference."),)
)
REDIRECT = Operation(
    "Versions",
    "Be sent on to the version's root",
    {302: Answer("The version's root is elsewhere.", headers={"Location": Header("Where it is.")})},
)

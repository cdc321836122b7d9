"""What the documentation says of every route without the route saying it: errors and request ids."""

from collections.abc import Iterator

from service.errors import ErrorBody
from service.handlers.versions import Versions
from service.openapi.operation import JSON, NOTHING, TEXT, Answer, Header, Parameter
from service.request_id import NAME as REQUEST_ID
from service.route import Route

ERROR = {JSON: ErrorBody, "text/html": str, TEXT: str}
CHOSEN_ID = Parameter("header", REQUEST_ID, "An id for this request, of at most 64 characters; else one is made up.")
# Answers from before the caller is known have no request id; those of the second set come from before or after.
EARLY = frozenset({300, 401})
EARLY_OR_LATE = frozenset({400, 500, 503})


def parameters_of(route: Route) -> tuple[Parameter, ...]:
    """List the parameters of a route: its own, and those of every route that needs a token."""
    return route.doc.parameters if route.open else (*route.doc.parameters, CHOSEN_ID)


def answers_of(route: Route) -> dict[int, Answer]:
    """List every answer of a route by status: those that follow from the route, replaced by its own."""
    answers = dict(_by_rule(route)) | dict(route.doc.answers)
    return {status: _completed(route, status, answers[status]) for status in sorted(answers)}


def _by_rule(route: Route) -> Iterator[tuple[int, Answer]]:
    yield 400, Answer("The request cannot mean anything; the text says where and why.")
    yield 500, Answer("The service failed in a way it did not expect; its log has the details.")
    if route.method != "*":
        yield 405, Answer("Not with this method.", headers={"Allow": Header("The methods that may be used.")})
    if route.open:
        return
    yield 300, Answer("`Accept` asks for a version of the API that is not served; these are.", {JSON: Versions})
    yield 401, Answer("No valid token.", headers={"WWW-Authenticate": Header('`Keystone uri="…"`: where to get one.')})
    yield 503, Answer("The storage, or another service that is needed, does not answer; try again later.")
    if route.rule:
        yield 403, Answer(f"The policy rule `{route.rule}` refuses.")
    if route.body:
        yield 408, Answer("The body did not arrive in time.")
        yield 413, Answer("The body is longer than the settings allow.")
    if "{" in route.path:
        yield 404, Answer("There is no such thing, or the caller may not know of it.")


def _completed(route: Route, status: int, answer: Answer) -> Answer:
    """Give an error its body, an answer to a known caller its request id, and take the body from one to HEAD."""
    content = answer.content or (ERROR if status >= 400 else NOTHING)
    headers = dict(answer.headers)
    if not route.open and status not in EARLY:
        headers[REQUEST_ID] = Header("The id of the request, also in the log.", promised=status not in EARLY_OR_LATE)
    return Answer(answer.description, NOTHING if route.method == "HEAD" else content, headers)

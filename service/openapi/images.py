"""The documentation of images as records."""

from typing import Annotated, Any, Literal, get_args

from msgspec import Meta

from drivers.query import Direction, NumberField, SortKey, TimeField
from drivers.records import MemberStatus, Visibility
from service.openapi.bodies import NewImage, PatchOperation
from service.openapi.operation import JSON, Answer, Header, Operation, Parameter
from service.patch import DIALECTS
from service.wire import ImageBody, ImagesBody

ETAG = {"ETag": Header("Names this state of the image, for `If-None-Match`.")}
IMAGE_ID = Parameter("path", "image_id", "The image's UUID.")

IF_MATCH = Parameter("header", "If-Match", "Change the image only if it still has this `ETag`.")
TAG = Parameter("path", "tag", "The tag; blanks are kept.")
STALE = Answer("The image is not the one that `If-Match` names.")
QUOTA = Answer("The body is too long, or a quota would be exceeded.")

TEXT_FILTER = (
    "This value; or `in:` and several, separated by commas, in double quotes if they hold one; or `eq:` and it."
)
TIME_FILTER = "ISO 8601, alone or after one of `eq:`, `neq:`, `gt:`, `gte:`, `lt:`, `lte:`."
NUMBERS = get_args(NumberField)
LIST_PARAMETERS: tuple[tuple[Any, ...], ...] = (
    ("limit", "Most images on the page.", Annotated[int, Meta(ge=0)]),
    ("marker", "The page starts after this image, the last of the one before."),
    ("sort", "Keys, each perhaps with `:asc` or `:desc`, separated by commas; newest first where nothing is said."),
    ("sort_key", "A key to sort by; may be repeated.", list[SortKey]),
    ("sort_dir", "One direction, or as many as there are `sort_key`.", list[Direction]),
    ("visibility", "Only these; `all` adds the community's.", Visibility | Literal["all"]),
    ("member_status", "What the caller's project answered to shared images.", MemberStatus | Literal["all"]),
    ("os_hidden", "The hidden images instead of the others.", bool),
    ("protected", "Only protected images, or only others.", bool),
    ("tag", "A tag that the image has; may be repeated, then it has all.", list[str]),
    *((name, TEXT_FILTER) for name in ("id", "name", "status", "container_format", "disk_format")),
    *((name, TIME_FILTER) for name in get_args(TimeField)),
    *((name, "This value.") for name in ("owner", "checksum", "os_hash_algo", "os_hash_value")),
    *((name, "This number.", int) for name in NUMBERS),
    *((f"{name}_min", "At least this.", int) for name in NUMBERS),
    *((f"{name}_max", "At most this.", int) for name in NUMBERS),
)

CREATE_IMAGE = Operation(
    "Images",
    "Create an image",
    {
        201: Answer("The image, queued for its data.", {JSON: ImageBody}, ETAG | {"Location": Header("Its URL.")}),
        403: Answer("The policy refuses, or the body sets what only the service sets."),
        409: Answer("The id is, or once was, an image's."),
        413: QUOTA,
    },
    body={JSON: NewImage},
)
SHOW_IMAGE = Operation(
    "Images",
    "Show an image",
    {
        200: Answer("The image.", {JSON: ImageBody}, ETAG),
        304: Answer("The image is still the one that `If-None-Match` names.", headers=ETAG),
        404: Answer("There is no such image, or the caller may not know of it."),
    },
    (IMAGE_ID, Parameter("header", "If-None-Match", "The `ETag` of an earlier answer, or several, or `*`.")),
)
HEAD_IMAGE = SHOW_IMAGE._replace(summary="Show the headers of an image")

LIST_IMAGES = Operation(
    "Images",
    "List images",
    {200: Answer("A page of the images that the caller may see.", {JSON: ImagesBody})},
    tuple(Parameter("query", *parameter) for parameter in LIST_PARAMETERS),
    description="Any other parameter is the name of an additional property, which must have exactly that value.",
)
UPDATE_IMAGE = Operation(
    "Images",
    "Change an image",
    {
        200: Answer("The image as it is now.", {JSON: ImageBody}, ETAG),
        403: Answer("The policy refuses, or an operation changes what only the service changes."),
        409: Answer("An operation replaces or removes what is not there, or adds what is."),
        412: STALE,
        413: QUOTA,
        415: Answer("The body is no JSON patch.", headers={"Accept-Patch": Header("The types that are.")}),
    },
    (IMAGE_ID, IF_MATCH),
    dict.fromkeys(DIALECTS, list[PatchOperation]),
    'All operations are applied in order, or none. In the older type an operation reads `{"replace": "/name", ...}`.',
)
DELETE_IMAGE = Operation(
    "Images",
    "Delete an image",
    {
        204: Answer("The image is gone; its id stays taken."),
        403: Answer("The policy refuses, or the image is protected."),
        412: STALE,
    },
    (IMAGE_ID, IF_MATCH),
)
DEACTIVATE_IMAGE = Operation(
    "Images",
    "Keep an image from being downloaded",
    {204: Answer("Only admins may download it now."), 403: Answer("The policy refuses, or it has no data.")},
    (IMAGE_ID,),
)
REACTIVATE_IMAGE = DEACTIVATE_IMAGE._replace(
    summary="Let an image be downloaded again",
    answers=dict(DEACTIVATE_IMAGE.answers) | {204: Answer("It may be downloaded.")},
)
ADD_TAG = Operation(
    "Images",
    "Put a tag on an image",
    {204: Answer("The image has the tag."), 413: Answer("The image has as many tags as it may.")},
    (IMAGE_ID, TAG),
)
REMOVE_TAG = Operation("Images", "Take a tag off an image", {204: Answer("It has it no more.")}, (IMAGE_ID, TAG))

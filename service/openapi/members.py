"""The documentation of members."""

from service.handlers.members import MemberBody, MembersBody
from service.openapi.bodies import MemberAnswer, NewMember
from service.openapi.images import IMAGE_ID
from service.openapi.operation import JSON, Answer, Operation, Parameter

MEMBER_ID = Parameter("path", "member_id", "The project.")
UNSHARED = Answer("The image's visibility is not `shared`, or the policy refuses.")

ADD_MEMBER = Operation(
    "Members",
    "Share an image with a project",
    {
        200: Answer("The membership, pending.", {JSON: MemberBody}),
        403: UNSHARED,
        409: Answer("The project is a member already."),
        413: Answer("The image has as many members as it may."),
    },
    (IMAGE_ID,),
    body={JSON: NewMember},
)
LIST_MEMBERS = Operation(
    "Members",
    "List an image's members",
    {200: Answer("All members for the owner, itself for a member.", {JSON: MembersBody}), 403: UNSHARED},
    (IMAGE_ID,),
)
SHOW_MEMBER = Operation(
    "Members",
    "Show a member",
    {200: Answer("The membership.", {JSON: MemberBody})},
    (IMAGE_ID, MEMBER_ID),
)
UPDATE_MEMBER = Operation(
    "Members",
    "Accept or reject an image",
    {200: Answer("The membership.", {JSON: MemberBody}), 403: UNSHARED},
    (IMAGE_ID, MEMBER_ID),
    body={JSON: MemberAnswer},
)
REMOVE_MEMBER = Operation(
    "Members",
    "Stop sharing an image with a project",
    {204: Answer("It is no member any more."), 403: UNSHARED},
    (IMAGE_ID, MEMBER_ID),
)

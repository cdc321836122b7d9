"""Members of an image: the projects it is shared with (reference section 2.6)."""

from typing import Annotated, Any, get_args

import msgspec
from aiohttp import web
from msgspec import Meta

from drivers.errors import ImageNotFound, MemberNotFound
from drivers.records import Member, MemberStatus, View
from service.body import read_object
from service.handlers.access import read_view
from service.image_names import NAME_LIMIT
from service.keys import CALLER, CLOCK, POLICY, SETTINGS, STORE
from service.policy.gates import PolicyForbids, may, require, visible
from service.refusals import BadRequest, Forbidden, NotFound
from service.wire import Time, json_response, whole_second


class MemberBody(msgspec.Struct, frozen=True, kw_only=True):
    """A project with which an image is shared."""

    member_id: Annotated[str, Meta(description="The project.")]
    image_id: Annotated[str, Meta(description="The image.")]
    status: Annotated[MemberStatus, Meta(description="What the project made of the offer.")]
    created_at: Time
    updated_at: Time
    schema: str = "/v2/schemas/member"


class MembersBody(msgspec.Struct, frozen=True, kw_only=True):
    """The projects with which an image is shared, the earliest first."""

    members: list[MemberBody]
    schema: str = "/v2/schemas/members"


async def add(request: web.Request) -> web.Response:
    """Share the image with a project, which may then accept or reject the offer."""
    member_id = _new_member_id(await read_object(request))
    view = await _shared_image(request)
    require(request.app[POLICY], "add_member", request[CALLER], view)
    now = request.app[CLOCK]()
    member = Member(image_id=view.image.id, member_id=member_id, created_at=now, updated_at=now)
    await request.app[STORE].add_member(member, quota=request.app[SETTINGS].image_member_quota)
    return json_response(member_body(member))


async def index(request: web.Request) -> web.Response:
    """List the members that the caller may know of: all for the owner, itself for a member."""
    view = await _shared_image(request)
    policy, caller = request.app[POLICY], request[CALLER]
    require(policy, "get_members", caller, view)
    members = await request.app[STORE].members(view.image.id)
    readable = [each for each in members if may(policy, "get_member", caller, view, each.member_id)]
    return json_response(MembersBody(members=[member_body(each) for each in readable]))


async def show(request: web.Request) -> web.Response:
    """Show one member; whatever keeps the caller from it, it is not found."""
    try:
        _, member = await _readable_member(request)
    except Forbidden as error:
        raise NotFound(str(error)) from None
    return json_response(member_body(member))


async def update(request: web.Request) -> web.Response:
    """Accept or reject the offer, or take the answer back; only the member itself may."""
    body = await read_object(request)
    if "status" not in body:
        raise BadRequest("The body has no 'status'.")
    view, member = await _readable_member(request)
    _require_for_member(request, "modify_member", view, member)
    status = body["status"]
    if status not in get_args(MemberStatus):
        raise BadRequest(f"The status is none of: {', '.join(get_args(MemberStatus))}.")
    now = request.app[CLOCK]()
    return json_response(
        member_body(await request.app[STORE].set_member_status(view.image.id, member.member_id, status, now))
    )


async def remove(request: web.Request) -> web.Response:
    """Stop sharing the image with a project."""
    view, member = await _readable_member(request)
    _require_for_member(request, "delete_member", view, member)
    await request.app[STORE].remove_member(view.image.id, member.member_id)
    return web.Response(status=204)


def member_body(member: Member) -> MemberBody:
    """Say a membership as the API does."""
    return MemberBody(
        member_id=member.member_id,
        image_id=member.image_id,
        status=member.status,
        created_at=whole_second(member.created_at),
        updated_at=whole_second(member.updated_at),
    )


def _new_member_id(body: dict[str, Any]) -> str:
    member_id = body.get("member")
    if not isinstance(member_id, str) or not member_id or len(member_id) > NAME_LIMIT:
        raise BadRequest(f"The body's 'member' is not a text of 1 to {NAME_LIMIT} characters.")
    return member_id


async def _shared_image(request: web.Request) -> View:
    view = await read_view(request, locations=False)
    if not visible(view, request[CALLER], request.app[POLICY]):
        raise ImageNotFound(view.image.id)
    if view.image.visibility != "shared":
        raise Forbidden("Only shared images have members.")
    return view


async def _readable_member(request: web.Request) -> tuple[View, Member]:
    view = await _shared_image(request)
    member = await request.app[STORE].member(view.image.id, request.match_info["member_id"])
    if not may(request.app[POLICY], "get_member", request[CALLER], view, member.member_id):
        raise MemberNotFound(view.image.id, member.member_id)
    return view, member


def _require_for_member(request: web.Request, rule: str, view: View, member: Member) -> None:
    if not may(request.app[POLICY], rule, request[CALLER], view, member.member_id):
        raise PolicyForbids(rule)

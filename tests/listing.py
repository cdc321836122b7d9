"""Reading a page of the list as a client does."""

from typing import Any

from yarl import URL

from tests.callers import by
from tests.conftest import Client


async def listed(client: Client, query: str = "", name: str = "ann") -> dict[str, Any]:
    """Give a page."""
    response = await client.get(URL(f"/v2/images{query}", encoded=True), headers=by(name))
    assert response.status == 200, await response.text()
    assert response.headers["Content-Type"] == "application/json"
    body: dict[str, Any] = await response.json()
    return body


async def numbers(client: Client, query: str = "", name: str = "ann") -> list[int]:
    """Give the numbers of the images on a page."""
    return [int(each["id"][-12:]) for each in (await listed(client, query, name))["images"]]


async def refusal(client: Client, query: str, name: str = "ann") -> str:
    """Give the message of a 400."""
    response = await client.get(URL(f"/v2/images{query}", encoded=True), headers=by(name, Accept="application/json"))
    assert response.status == 400, await response.text()
    message: str = (await response.json())["message"]
    return message

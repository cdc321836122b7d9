"""Tags one at a time, and the actions on an image (reference sections 2.4 and 2.5), on both drivers."""

from typing import Any

import pytest

from drivers.protocol import ImageStore
from tests.callers import OWNER, by
from tests.conformance import LATER, ONE, image
from tests.conftest import Client

PATH = f"/v2/images/{ONE}"


@pytest.fixture
async def ours(store: ImageStore) -> None:
    """Keep an image of ann's project, with one tag."""
    await store.add(image(tags=("t",)))


class TestTags:
    """One tag at a time (section 2.5)."""

    @pytest.mark.parametrize(
        ("sent", "kept"), [("gabe%40example.com", "gabe@example.com"), ("a%20b", "a b"), ("%C3%BC", "ü"), ("A", "A")]
    )
    async def test_a_tag_is_the_decoded_segment(self, client: Client, store: ImageStore, sent: str, kept: str) -> None:
        from yarl import URL  # noqa: PLC0415 - only here a URL must not be normalized

        await store.add(image(tags=("a",)))
        url = URL(f"{PATH}/tags/{sent}", encoded=True)
        for _ in range(2):
            assert (await client.put(url, headers=by("ann"))).status == 204
        assert set((await store.get(ONE, OWNER)).image.tags) == {"a", kept}
        assert (await client.delete(url, headers=by("ann"))).status == 204
        assert (await client.delete(url, headers=by("ann"))).status == 404

    @pytest.mark.usefixtures("ours")
    @pytest.mark.parametrize(
        ("tag", "status"), [("x" * 256, 400), ("a%2Fb", 404), ("", 404), ("%ff", 400), ("%00", 400)]
    )
    async def test_what_is_no_tag_is_refused(self, client: Client, tag: str, status: int) -> None:
        from yarl import URL  # noqa: PLC0415 - only here a URL must not be normalized

        url = URL(f"{PATH}/tags/{tag}", encoded=True)
        assert (await client.put(url, headers=by("ann"))).status == status

    async def test_a_tag_moves_updated_at_and_one_that_is_there_does_not(
        self, client: Client, store: ImageStore
    ) -> None:
        await store.add(image())
        for _ in range(2):
            await client.put(f"{PATH}/tags/x", headers=by("ann"))
        stored = (await store.get(ONE, OWNER)).image
        assert (stored.revision, stored.updated_at > LATER) == (2, True)


class TestActions:
    """Deactivate and reactivate (section 2.4)."""

    async def test_they_turn_one_status_into_the_other_and_back(self, client: Client, store: ImageStore) -> None:
        await store.add(image(status="active"))
        for action, status in (("deactivate", "deactivated"), ("deactivate", "deactivated"), ("reactivate", "active")):
            assert (await client.post(f"{PATH}/actions/{action}", headers=by("ann"))).status == 204
            assert (await store.get(ONE, OWNER)).image.status == status

    @pytest.mark.parametrize("status", ["queued", "saving", "uploading", "importing"])
    async def test_any_other_status_is_403(self, client: Client, store: ImageStore, status: Any) -> None:
        await store.add(image(status=status))
        for action in ("deactivate", "reactivate"):
            response = await client.post(f"{PATH}/actions/{action}", headers=by("admin"))
            assert response.status == 403
            assert f"Not allowed to {action} image in status" in await response.text()

    @pytest.mark.usefixtures("ours")
    async def test_a_body_is_400(self, client: Client) -> None:
        assert (await client.post(f"{PATH}/actions/deactivate", data=b"{}", headers=by("ann"))).status == 400

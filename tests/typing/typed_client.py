"""What a type checker knows of the server's client; read by mypy and pyright, never run."""

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

from doorward.client import (
    AsyncDoorward,
    Doorward,
    DoorwardError,
    File,
    Me,
    Member,
    Offer,
    Preview,
    Transfer,
    Upload,
    Version,
    Workspace,
)


def waiting() -> None:
    with Doorward("http://127.0.0.1:8040", lambda: "token") as house:
        assert_type(house, Doorward)
        assert_type(house.me(), Me)
        assert_type(house.workspaces(), Iterator[Workspace])
        assert_type(house.create_workspace("Plans").id, str)
        assert_type(house.members("ws_1"), Iterator[Member])
        assert_type(house.files("ws_1"), Iterator[File])
        assert_type(house.child("ws_1", None, "a.txt"), File | None)
        assert_type(house.versions("file_1"), Iterator[Version])
        assert_type(house.declare_upload("ws_1", name="a", size=1), Upload)
        assert_type(house.offer_workspace("ws_1", keeps="none"), Offer)
        assert_type(house.read_offer("dwt_x"), Preview)
        assert_type(house.transfers("ws_1"), Iterator[Transfer])


async def on_an_event_loop() -> None:
    async with AsyncDoorward(token="token") as house:
        assert_type(house, AsyncDoorward)
        assert_type(await house.me(), Me)
        assert_type(house.workspaces(), AsyncIterator[Workspace])
        assert_type(house.files("ws_1"), AsyncIterator[File])
        assert_type(await house.claim_workspace("dwt_x"), Transfer)
        assert_type(house.transfers("ws_1"), AsyncIterator[Transfer])
        try:
            assert_type(await house.file("file_1"), File)
        except DoorwardError as error:
            assert_type(error.code, str)

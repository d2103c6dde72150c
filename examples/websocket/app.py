"""A chat over WebSockets: each socket lives no longer than the credential it was opened with."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse

from doorward.clerk.revocation import Revocations
from doorward.clerk.state import SqliteState
from doorward.fastapi import ClerkAuth, Principal

HERE = Path(__file__).parent
DATA = Path(os.environ.get("DATA", "."))

revocations = Revocations(SqliteState(DATA / "state.db"))
clerk = ClerkAuth(revocation=revocations)
app = FastAPI(title="Chat")
open_sockets: set[WebSocket] = set()


@app.websocket("/live")
async def live(websocket: WebSocket, who: Annotated[Principal, Depends(clerk.websocket)]) -> None:
    """Pass on what anybody says to everybody; the guard closes with 4401 when the token ends."""
    await websocket.accept(subprotocol="doorward.bearer")
    open_sockets.add(websocket)
    try:
        async for text in websocket.iter_text():
            for one in [*open_sockets]:
                with suppress(RuntimeError, WebSocketDisconnect):  # it is just being closed
                    await one.send_text(f"{who.user_id}: {text}")
    finally:
        open_sockets.discard(websocket)


@app.post("/sign-out", status_code=204)
async def sign_out(who: Annotated[Principal, Depends(clerk.required)]) -> None:
    """End the caller's session: its open sockets are closed within a second."""
    await revocations.revoke_session(who.session_id)


@app.get("/")
def page() -> FileResponse:
    """Give the page, which anybody may have."""
    return FileResponse(HERE / "index.html")


@app.get("/live.js")
def script() -> FileResponse:
    """Give the client that connects again."""
    return FileResponse(HERE / "live.js", media_type="text/javascript")

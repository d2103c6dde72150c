"""Notes of an organization: members read, some write, and admins who prove it remove them all."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Body, Depends, FastAPI

from doorward.clerk.directory import Directory
from doorward.clerk.revocation import Revocations
from doorward.clerk.state import SqliteState
from doorward.fastapi import ClerkAuth, ClerkWebhook, Event, Principal
from notes import Notes

DATA = Path(os.environ.get("DATA", "."))

state = SqliteState(DATA / "state.db")  # the processes of one machine share it
revocations, directory = Revocations(state), Directory(state)
clerk = ClerkAuth(revocation=revocations, directory=directory)
notes = Notes(DATA / "notes.db")

SignedIn = Annotated[Principal, Depends(clerk.required)]
Reader = Annotated[Principal, Depends(clerk.requires(permission="org:notes:read"))]
Writer = Annotated[Principal, Depends(clerk.requires(permission="org:notes:write"))]
ADMIN = clerk.requires(role="org:admin")
# An admin whose second factor, or first where there is no second, is no older than ten minutes.
SURE = clerk.requires(role="org:admin", reverification="strict")


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Have the keys before the first request, and close connections after the last."""
    await clerk.warm_up()
    yield
    await clerk.aclose()


app = FastAPI(title="Notes", lifespan=lifespan)
clerk.add_cors(app)


@app.get("/")
def home(who: Annotated[Principal | None, Depends(clerk.optional)]) -> dict[str, str]:
    """Greet anybody; only a bad credential is refused."""
    return {"hello": who.user_id if who else "stranger"}


@app.get("/me")
def me(who: SignedIn) -> dict[str, object]:
    """Say who is there, and what they may do."""
    return {
        "user": who.user_id,
        "organization": who.org_id,
        "role": who.org_role,
        "may_write": who.has(permission="org:notes:write"),
    }


@app.get("/notes")
def read(who: Reader) -> list[str]:
    """Give the notes of the caller's active organization."""
    return notes.of(who.org_id)


@app.post("/notes", status_code=201)
def write(who: Writer, text: Annotated[str, Body(embed=True, max_length=1000)]) -> None:
    """Keep a note for the caller's active organization."""
    notes.add(who.org_id, text)


@app.get("/beta", dependencies=[Depends(clerk.requires(metadata={"beta": True}))])
def beta() -> str:
    """Open to users whose public metadata says so, as the token or a webhook told."""
    return "welcome"


@app.post("/sign-out-everywhere", status_code=204)
async def sign_out_everywhere(who: SignedIn) -> None:
    """Refuse every token that the caller was given until now, from the next request on."""
    await revocations.revoke_user(who.user_id)


admin = APIRouter(prefix="/admin", dependencies=[Depends(ADMIN)])


@admin.get("/notes/count")
def count(who: Annotated[Principal, Depends(ADMIN)]) -> int:
    """Count the notes of the caller's organization."""
    return len(notes.of(who.org_id))


@admin.delete("/notes")
def clear(who: Annotated[Principal, Depends(SURE)]) -> int:
    """Remove all notes; Clerk's ``useReverification()`` asks for the factor and tries again."""
    return notes.clear(who.org_id)


app.include_router(admin)


@app.post("/webhooks/clerk", status_code=204)
async def clerk_webhook(event: Annotated[Event, Depends(ClerkWebhook())]) -> None:
    """Learn what tokens don't say: ended sessions, banned users, changed roles and metadata."""
    await revocations.apply(event)
    await directory.apply(event)

"""A bakery with Flask: who is signed in orders, and who bakes is told by permissions."""

import asyncio
import os
from pathlib import Path

from flask import Flask, g, request

from doorward.clerk.directory import Directory
from doorward.clerk.revocation import Revocations
from doorward.clerk.state import SqliteState
from doorward.webhooks import WebhookVerificationError, verify
from doorward.wsgi import ClerkAuth
from guard import Guard

DATA = Path(os.environ.get("DATA", "."))
state = SqliteState(DATA / "state.db")  # the processes of one machine share it
revocations, directory = Revocations(state), Directory(state)

app = Flask(__name__)
guard = Guard(app, ClerkAuth(revocation=revocations, directory=directory))


@app.get("/")
def menu() -> dict[str, list[str]]:
    """Give the menu to anybody."""
    return {"menu": ["bread", "cake"]}


@app.get("/me")
@guard.signed_in
def me() -> dict[str, str | None]:
    """Say who is there."""
    return {"user": g.who.user_id, "organization": g.who.org_id}


@app.get("/oven")
@guard.requires(permission="org:oven:use")
def oven() -> dict[str, int]:
    """Only for bakers."""
    return {"celsius": 220}


@app.get("/till")
@guard.requires(role="org:admin", reverification="strict")
def till() -> dict[str, int]:
    """Only for admins who proved not long ago who they are."""
    return {"cents": 12_345}


@app.get("/secret-menu")
@guard.requires(metadata={"regular": True})
def secret_menu() -> dict[str, list[str]]:
    """Only for users whose public metadata says so, as the token or a webhook told."""
    return {"menu": ["croissant"]}


@app.post("/webhooks/clerk")
def clerk_webhook() -> tuple[str, int]:
    """Learn what tokens don't say; the raw body is verified before anything reads it."""
    try:
        event = verify(request.get_data(), request.headers)
    except WebhookVerificationError as refusal:
        return refusal.reason, 400
    asyncio.run(revocations.apply(event))
    asyncio.run(directory.apply(event))
    return "", 204

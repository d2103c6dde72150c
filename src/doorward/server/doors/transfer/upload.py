"""An upload's own URL: plain ``PUT``, tus and the IETF's draft, judged on every request."""

import asyncio
from contextlib import suppress

from doorward.server.audit.model import Attempt, Target
from doorward.server.commands import refused
from doorward.server.doors.asgi import Receive, Scope, Send, respond
from doorward.server.doors.context import origin_of
from doorward.server.doors.house import House
from doorward.server.doors.limits.fields import Standing, telling
from doorward.server.doors.problem_json import Render, send_problem
from doorward.server.doors.transfer import cors, ietf, tus
from doorward.server.doors.transfer.exchange import Answer, Asked
from doorward.server.doors.transfer.ietf import Draft
from doorward.server.doors.transfer.incoming import Incoming
from doorward.server.doors.transfer.part import Part
from doorward.server.doors.transfer.receiver import Receiver
from doorward.server.doors.transfer.tus import Tus
from doorward.server.links.urls import UPLOAD_PATH as PREFIX
from doorward.server.links.urls import Presented
from doorward.server.links.using import SIGNED_LINK
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller, Credential
from doorward.server.problems import MethodNotAllowed, Problem, RateLimited, UploadUrlInvalid
from doorward.server.uploads import service as uploads

METHODS = "OPTIONS, HEAD, GET, PUT, PATCH, DELETE"
ACCEPT_PATCH = f"{tus.MEDIA_TYPE}, {ietf.MEDIA_TYPE}"
_ID_CHARACTERS_MAX = 80

_DRAINED_BYTES_MAX = 64 << 20
_DRAIN_SECONDS = 5.0


class UploadDoor:
    """Serves upload URLs; ``present`` shows, as JSON, the file that came of one."""

    def __init__(self, house: House, receiver: Receiver, present: ietf.Present) -> None:
        self._house = house
        self._receiver = receiver
        self._tus = Tus(house, receiver)
        self._draft = Draft(house, receiver, present)
        self._by_method = {
            "OPTIONS": self._options,
            "HEAD": self._offset,
            "GET": self._offset,
            "PUT": self._whole,
            "PATCH": self._append,
            "DELETE": self._abandon,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request for an upload URL."""
        upload_id = scope["path"].removeprefix(PREFIX)[:_ID_CHARACTERS_MAX]
        from_ = Caller("", Credential(SIGNED_LINK, _named_link(scope)), origin_of(scope))
        body = Incoming(receive, scope)
        asked = Asked(scope, body, upload_id, from_)
        send = cors.with_headers(send, cors.for_everybody(scope) | tus.EVERYWHERE)
        standings: list[Standing] = []
        send = telling(send, standings)
        try:
            answer = await self._answer(asked, standings)
        except Problem as problem:
            action = Action.UPLOAD_ABORT if asked.method == "DELETE" else Action.UPLOAD_RECEIVE
            await audit_refusal(self._house, asked, action, problem)
            if _is_draft(asked):
                self._draft.refuse(problem)
            await answer_problem(body, send, problem, from_.origin.request_id)
            return
        finally:
            body.close()
        await respond(send, answer.status, answer.headers.items(), answer.body)

    async def _answer(self, asked: Asked, standings: list[Standing]) -> Answer:
        serve = self._by_method.get(asked.method)
        if serve is None:
            raise MethodNotAllowed(headers={"Allow": METHODS})
        link_id = self._checked_link(asked)
        standings += await self._house.limiting.use_link(link_id)
        return await serve(asked)

    async def _options(self, asked: Asked) -> Answer:
        """Say what the URL speaks, to whoever may still use it."""
        upload = await self._receiver.judge(asked.upload_id, asked.from_)
        spoken = {"Allow": METHODS, "Accept-Patch": ACCEPT_PATCH}
        limits = {"Upload-Limit": ietf.limits_of(self._house, upload)}
        return Answer(204, spoken | limits | tus.capabilities(self._house, upload))

    async def _offset(self, asked: Asked) -> Answer:
        if asked.header("tus-resumable") is not None:
            return await self._tus.offset(asked)
        return await self._draft.offset(asked)

    async def _whole(self, asked: Asked) -> Answer:
        part = Part(length=asked.number("content-length"))
        received = await self._receiver.receive(asked.upload_id, asked.from_, part, asked.body)
        if received.file is None:  # a part of a concatenation, whole
            return Answer(204, tus.after(received))
        return self._draft.answer(received, last=True)

    async def _append(self, asked: Asked) -> Answer:
        return await (self._draft if _is_draft(asked) else self._tus).append(asked)

    async def _abandon(self, asked: Asked) -> Answer:
        if asked.header("tus-resumable") is not None:
            tus.check_version(asked)
        await self._receiver.abandon(asked.upload_id, asked.from_)
        return Answer(204)

    def _checked_link(self, asked: Asked) -> str:
        url = Presented.of_upload(asked.upload_id, asked.scope["query_string"])
        self._house.signer.check(url, self._house.clock())
        return url.link_id


def _named_link(scope: Scope) -> str | None:
    """Give the link that the URL names, whether or not its signature turns out to be right."""
    try:
        return Presented.of_upload("", scope["query_string"]).link_id[:_ID_CHARACTERS_MAX]
    except UploadUrlInvalid:
        return None


def _is_draft(asked: Asked) -> bool:
    return (
        ietf.is_asked(asked.scope)
        or tus.media_type(asked.header("content-type")) == ietf.MEDIA_TYPE
    )


async def audit_refusal(house: House, asked: Asked, action: Action, problem: Problem) -> None:
    """Name whoever bought the upload, where the signature proved that this is its URL."""
    if isinstance(problem, UploadUrlInvalid):
        await house.limiting.fail(asked.from_.origin)
    if isinstance(problem, UploadUrlInvalid | MethodNotAllowed | RateLimited):
        target = Target(None, "upload", asked.upload_id)
        await house.knocks.record(Attempt(action, target, asked.from_), problem)
        return
    await refused(
        house.store,
        lambda tx: uploads.attempt_by_url(tx, asked.upload_id, asked.from_, action),
        problem,
    )


async def answer_problem(
    body: Incoming,
    send: Send,
    problem: Problem,
    request_id: str,
    render: Render = send_problem,
) -> None:
    """Answer at once, then take what is still coming for a while, so that the client reads it.

    A connection closed on unread bytes is reset, and the answer may be lost with it. Of a body that
    has ended nothing is awaited, and its connection serves on.
    """
    if body.ended:
        await render(send, problem, request_id)
        return
    problem.headers.setdefault("Connection", "close")
    await render(send, problem, request_id, last=False)
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            await _drain(body)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drain(body: Incoming) -> None:
    drained = 0
    while not body.ended and drained < _DRAINED_BYTES_MAX:
        message = await body.receive()
        drained += len(message.get("body", b""))

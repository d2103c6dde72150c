"""A ticket's own address: takes the bytes once, raw or as a form's field, and gives nothing out."""

from doorward.server.doors.asgi import Receive, Scope, Send
from doorward.server.doors.context import origin_of
from doorward.server.doors.fastio.envelope import send_error, send_success
from doorward.server.doors.fastio.form import FormFile, boundary_of
from doorward.server.doors.fastio.paths import route_of
from doorward.server.doors.house import House
from doorward.server.doors.transfer.exchange import Asked
from doorward.server.doors.transfer.incoming import Incoming
from doorward.server.doors.transfer.part import Part, Received
from doorward.server.doors.transfer.receiver import Receiver
from doorward.server.doors.transfer.upload import answer_problem, audit_refusal
from doorward.server.links.urls import Presented
from doorward.server.links.using import SIGNED_LINK
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller, Credential
from doorward.server.problems import Json, Problem, UploadUrlInvalid

_ID_CHARACTERS_MAX = 80


class PutDoor:
    """Takes the bytes of tickets into the house, by the receiver that every upload comes by."""

    def __init__(self, house: House, receiver: Receiver) -> None:
        self._house = house
        self._receiver = receiver

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request for a ticket's address."""
        _, upload_id = route_of(scope)
        origin = origin_of(scope)
        from_ = Caller("", Credential(SIGNED_LINK, _named_link(scope)), origin)
        body = Incoming(receive, scope)
        asked = Asked(scope, body, upload_id, from_)
        try:
            received = await self._received(asked)
        except Problem as problem:
            await audit_refusal(self._house, asked, Action.UPLOAD_RECEIVE, problem)
            await answer_problem(body, send, problem, origin.request_id, send_error)
            return
        finally:
            body.close()
        await send_success(send, 201, _stored(received))

    async def _received(self, asked: Asked) -> Received:
        """Judge the ticket, then receive; that it expires meanwhile does no harm."""
        ticket = Presented.of_ticket(asked.upload_id, asked.scope["query_string"])
        self._house.signer.check(ticket, self._house.clock())
        await self._house.limiting.use_link(ticket.link_id)
        part, body = Part(length=asked.number("content-length")), asked.body
        if asked.scope["method"] == "POST":  # how long the file in the form is, nobody says
            part = Part()
            body = Incoming(FormFile(boundary_of(asked), asked.body.receive).receive)
        return await self._receiver.receive(asked.upload_id, asked.from_, part, body)


def _named_link(scope: Scope) -> str | None:
    """Give the link that the ticket names, whether or not its signature turns out to be right."""
    try:
        return Presented.of_ticket("", scope["query_string"]).link_id[:_ID_CHARACTERS_MAX]
    except UploadUrlInvalid:
        return None


def _stored(received: Received) -> dict[str, Json]:
    content = received.file.content if received.file else None
    file_id = received.file.id if received.file else None
    algorithm, _, digest = ((content.sha256 or content.digest) if content else "").partition(":")
    return {
        "new_file_id": file_id,
        "version": received.file.version_id if received.file else None,
        "hash": digest,
        "hash_algo": algorithm,
        "size": received.upload.size,
    }

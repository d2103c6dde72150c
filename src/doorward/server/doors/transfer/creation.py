"""Uploads created where they are sent: one endpoint for each workspace, in tus or in the draft.

It takes a session's token, as REST does, and no other request of the upload does: the answer's
``Location`` is the signed URL.
"""

from collections.abc import Awaitable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from doorward.server.audit.model import Target
from doorward.server.commands import refused
from doorward.server.doors.asgi import App, Receive, Scope, Send, respond
from doorward.server.doors.context import origin_of
from doorward.server.doors.house import House
from doorward.server.doors.rest.call import Call
from doorward.server.doors.rest.operations import EVERYBODY
from doorward.server.doors.transfer import cors, ietf, tus
from doorward.server.doors.transfer.checksums import asked_check
from doorward.server.doors.transfer.exchange import Answer, Asked, method_of
from doorward.server.doors.transfer.ietf import Draft, announce, limits_of
from doorward.server.doors.transfer.incoming import Incoming
from doorward.server.doors.transfer.metadata import declared_in_draft, declared_in_tus
from doorward.server.doors.transfer.part import Part, Received
from doorward.server.doors.transfer.receiver import Receiver
from doorward.server.doors.transfer.upload import answer_problem
from doorward.server.links.urls import UPLOAD_PATH as PREFIX
from doorward.server.links.urls import Presented
from doorward.server.links.using import SIGNED_LINK
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller, Credential
from doorward.server.problems import (
    LengthInconsistent,
    LengthRequired,
    MediaTypeUnsupported,
    MethodNotAllowed,
    PartInvalid,
    Problem,
    RequestMalformed,
    RouteNotFound,
    UploadUrlExpired,
    UploadUrlInvalid,
)
from doorward.server.uploads import service as uploads
from doorward.server.uploads.concatenation import create_concatenation
from doorward.server.uploads.model import Limits, NewUpload, Upload

WORKSPACES = f"{PREFIX}workspaces/"
METHODS = "OPTIONS, POST"
_ID_CHARACTERS_MAX = 80
_FINAL = "final;"
_PARTS_MAX = 500  # each is looked up anew in every transaction on the way
_DEFER = "upload-defer-length"


@dataclass(frozen=True, slots=True)
class CreationEndpoint:
    """Stands before the entrance: says what is spoken here to all, and lets the rest through.

    ``parties`` are the origins whose pages may send a session's token here.
    """

    house: House
    entrance: App
    parties: Collection[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request for a creation endpoint."""
        more = cors.for_parties(scope, self.parties) | tus.EVERYWHERE
        send = cors.with_headers(send, more)
        if scope["method"] != "OPTIONS":
            await self.entrance(scope, receive, send)
            return
        spoken = {"Allow": METHODS, "Upload-Limit": limits_of(self.house)}
        await respond(send, 204, (spoken | tus.capabilities(self.house)).items())


@dataclass(frozen=True, slots=True)
class CreationDoor:
    """Creates uploads for whoever came through the entrance."""

    house: House
    receiver: Receiver
    present: ietf.Present

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request of a verified caller."""
        call: Call = scope["state"]["call"]
        body = Incoming(receive, scope)
        request = _Creation(self, call, scope, body)
        try:
            answer = await request.answer()
        except Problem as problem:
            if ietf.is_asked(scope):
                Draft(self.house, self.receiver, self.present).refuse(problem)
            await answer_problem(body, send, problem, origin_of(scope).request_id)
            return
        finally:
            body.close()
        await respond(send, answer.status, answer.headers.items(), answer.body)


@dataclass(frozen=True, slots=True)
class _Creation:
    """One request that creates an upload, and may bring bytes of it at once."""

    door: CreationDoor
    call: Call
    scope: Scope
    body: Incoming

    @property
    def asked(self) -> Asked:
        return Asked(self.scope, self.body, "", self.call.who)

    @property
    def workspace_id(self) -> str:
        return str(self.scope["path"]).removeprefix(WORKSPACES)[:_ID_CHARACTERS_MAX]

    async def answer(self) -> Answer:
        await self.call.begin(Action.UPLOAD_CREATE, EVERYBODY)
        if "/" in self.workspace_id:
            raise RouteNotFound
        if method_of(self.scope) != "POST":
            raise MethodNotAllowed(headers={"Allow": METHODS})
        if ietf.is_asked(self.scope):
            return await self._in_draft()
        tus.check_version(self.asked)
        concatenation = self.asked.only("upload-concat")
        if concatenation is not None and concatenation.startswith(_FINAL):
            return await self._concatenated(concatenation.removeprefix(_FINAL))
        if concatenation not in {None, "partial"}:
            raise RequestMalformed("Upload-Concat is neither partial nor final.")
        return await self._in_tus(partial=concatenation is not None)

    async def _in_tus(self, *, partial: bool) -> Answer:
        size, has_body = self._announced_size(), self._has_body()
        if has_body and tus.media_type(self.asked.header("content-type")) != tus.MEDIA_TYPE:
            raise MediaTypeUnsupported(f"Send the bytes as {tus.MEDIA_TYPE}.")
        check = asked_check(self.asked.only("upload-checksum"))
        described = self.asked.header("upload-metadata")
        new = declared_in_tus(self.scope, size, described)
        upload = await self._create(replace(new, partial=partial, described=described))
        received = Received(upload)
        if has_body or (size == 0 and not partial):
            part = Part(offset=0, length=self.asked.number("content-length"), check=check)
            received = await self._send(upload, part)
        headers = {"Location": self._url(upload)} | tus.after(received)
        return Answer(201, headers)

    async def _in_draft(self) -> Answer:
        last = ietf.asked_complete(self.scope)
        if last is None:
            raise RequestMalformed("Upload-Complete is neither ?1 nor ?0.")
        size = ietf.asked_length(self.scope, 0)
        upload = await self._create(declared_in_draft(self.scope, size))
        there = {
            "Location": self._url(upload),
            "Upload-Limit": limits_of(self.door.house, upload),
        }
        announce(self.scope, there)
        part = Part(
            offset=0,
            length=self.asked.number("content-length"),
            last=last,
            closes=last,
            progress=ietf.progress_of(self.scope),
        )
        received = await self._send(upload, part)
        draft = Draft(self.door.house, self.door.receiver, self.door.present)
        answer = draft.answer(received, last=last)
        return answer if received.file else Answer(201, answer.headers | there)

    async def _concatenated(self, listed: str) -> Answer:
        """Join partial uploads, each named by its own URL or by the path of that."""
        part_ids = [self._part_id(url) for url in listed.split()]
        lengths = [self.asked.header("upload-length"), self.asked.header(_DEFER)]
        if not part_ids or lengths != [None, None]:
            raise RequestMalformed("A final upload lists its parts and has no length of its own.")
        if len(part_ids) > _PARTS_MAX:
            raise RequestMalformed(f"A final upload has at most {_PARTS_MAX} parts.")
        described = self.asked.header("upload-metadata")
        new = replace(declared_in_tus(self.scope, 0, described), described=described)
        upload = await self.call.change(
            lambda tx: create_concatenation(
                tx, self.call.who, self.workspace_id, new, part_ids, self._limits()
            ),
            Target(self.workspace_id, "upload", None, new.name),
        )
        received = Received(upload)
        if upload.status.open:
            joining = self.door.receiver.concatenate(upload.id, self._by_url(upload))
            received = await self._audited(upload, joining)
        return Answer(201, {"Location": self._url(upload)} | tus.after(received))

    async def _create(self, new: NewUpload) -> Upload:
        target = Target(self.workspace_id, "upload", None, new.name)
        await self.call.afford(new.size, target)
        return await self.call.change(
            lambda tx: uploads.create_upload(
                tx, self.call.who, self.workspace_id, new, self._limits()
            ),
            target,
            size=new.size,
        )

    async def _send(self, upload: Upload, part: Part) -> Received:
        by_url = self._by_url(upload)
        receiving = self.door.receiver.receive(upload.id, by_url, part, self.body)
        return await self._audited(upload, receiving)

    async def _audited(self, upload: Upload, receiving: Awaitable[Received]) -> Received:
        """Wait for what comes of the bytes, and put a refusal in the trail."""
        try:
            return await receiving
        except Problem as problem:
            attempt = uploads.attempt_on(upload, Action.UPLOAD_RECEIVE, self.call.who)
            await refused(self.door.house.store, lambda _: attempt, problem)
            raise

    def _limits(self) -> Limits:
        """Let the URL live as long as the upload: these clients know no way to renew it."""
        limits = self.door.house.limits
        return replace(limits, url_life_seconds=limits.upload_life_seconds)

    def _by_url(self, upload: Upload) -> Caller:
        return Caller("", Credential(SIGNED_LINK, upload.link_id), self.call.who.origin)

    def _url(self, upload: Upload) -> str:
        return self.door.house.url_of(upload)

    def _announced_size(self) -> int | None:
        """Give the length that is announced, None where the client says that it comes later."""
        size, deferred = self.asked.number("upload-length"), self.asked.header(_DEFER)
        if deferred not in {None, "1"}:
            raise RequestMalformed("Upload-Defer-Length is 1 where it is there.")
        if size is not None and deferred is not None:
            raise LengthInconsistent("Upload-Length and Upload-Defer-Length can't both be there.")
        if size is None and deferred is None:
            raise LengthRequired
        return size

    def _has_body(self) -> bool:
        length = self.asked.number("content-length")
        return self.asked.header("transfer-encoding") is not None if length is None else length > 0

    def _part_id(self, url: str) -> str:
        """Give the upload that a part's URL stands for; raises PartInvalid.

        Some clients send the path alone. Only uploads of whoever asks are joined either way.
        """
        house = self.door.house
        with suppress(ValueError, UploadUrlInvalid, UploadUrlExpired):  # of what is no URL at all
            parts = urlsplit(url)
            upload_id = parts.path.removeprefix(PREFIX)
            if parts.query or not upload_id.startswith("up_"):
                presented = Presented.of_upload(upload_id, parts.query.encode(errors="replace"))
                house.signer.check(presented, house.clock())
            return upload_id
        raise PartInvalid

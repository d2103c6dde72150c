"""Tickets as their buyers deal with them: bought, and asked how far their uploads are.

It takes a session's token, as REST does, and asks the same services.
"""

from dataclasses import dataclass
from datetime import datetime

from doorward.server.audit.model import Target
from doorward.server.doors.asgi import Receive, Scope, Send
from doorward.server.doors.context import origin_of
from doorward.server.doors.fastio.asking import TicketIn
from doorward.server.doors.fastio.envelope import send_error, send_success
from doorward.server.doors.fastio.fields import read_fields
from doorward.server.doors.fastio.paths import Route, route_of, ticket_path
from doorward.server.doors.house import House
from doorward.server.doors.rest.call import Call
from doorward.server.doors.rest.operations import EVERYBODY
from doorward.server.doors.transfer.incoming import Incoming
from doorward.server.doors.transfer.upload import answer_problem
from doorward.server.files.model import Node
from doorward.server.links.model import Link
from doorward.server.permission.actions import Action
from doorward.server.problems import Json, Problem
from doorward.server.uploads import service as uploads
from doorward.server.uploads.model import Upload, UploadStatus
from doorward.server.uploads.tickets import create_ticket

_STATUSES = {
    UploadStatus.PENDING: "ready",
    UploadStatus.RECEIVING: "uploading",
    UploadStatus.COMPLETE: "stored",
}
_NOTHING_CAME_OF_IT = "assembly_failed"  # clients ask again until they read a word for an end


@dataclass(frozen=True, slots=True)
class TicketDoor:
    """Serves whoever came through the entrance."""

    house: House

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request of a verified caller."""
        call: Call = scope["state"]["call"]
        route, subject_id = route_of(scope)
        body = Incoming(receive)
        try:
            if route is Route.ADD:
                payload = await self._add(call, subject_id, scope, body)
            else:
                payload = await self._details(call, subject_id)
        except Problem as problem:
            await answer_problem(body, send, problem, origin_of(scope).request_id, send_error)
            return
        await send_success(send, 200, payload)

    async def _add(
        self, call: Call, workspace_id: str, scope: Scope, body: Incoming
    ) -> dict[str, Json]:
        await call.begin(Action.UPLOAD_CREATE, EVERYBODY)
        asked = TicketIn.of(await read_fields(scope, body.receive))
        target = Target(workspace_id, "upload", None, asked.name)
        await call.afford(asked.size, target)
        upload, link = await call.change(
            lambda tx: create_ticket(
                tx,
                call.who,
                workspace_id,
                asked.declared(),
                self.house.limits,
                life_seconds=asked.expires_in,
                subject=asked.subject,
            ),
            target,
            size=asked.size,
        )
        return self._bought(upload, link)

    async def _details(self, call: Call, upload_id: str) -> dict[str, Json]:
        await call.begin(Action.UPLOAD_READ, EVERYBODY)
        upload, file = await call.look(
            lambda tx: uploads.get_upload(tx, call.who, upload_id),
            Target(None, "upload", upload_id),
            seen=lambda found: uploads.target_of_upload(found[0]),
        )
        return {"session": _session(upload, file)}

    def _bought(self, upload: Upload, link: Link) -> dict[str, Json]:
        signer, expires_at = self.house.signer, link.bounds.expires_at
        ticket = signer.ticket(upload.id, link.id, expires_at)
        return {
            "upload_id": upload.id,
            "id": upload.id,
            "upload_url": f"{signer.base}{ticket_path(upload.id)}?ticket={ticket}",
            "method": "PUT",
            "headers": {},
            "expires_at": _moment(expires_at),
            "max_size": upload.size_max,
            "status_url": f"/current/upload/{upload.id}/details/",
        }


def _session(upload: Upload, file: Node | None) -> dict[str, Json]:
    return {
        "id": upload.id,
        "status": _STATUSES.get(upload.status, _NOTHING_CAME_OF_IT),
        "status_message": upload.failure,
        "name": upload.declared.name,
        "size": upload.size,
        "max_size": upload.size_max,
        "received_bytes": upload.received_bytes,
        "new_file_id": file.id if file else None,
        "created": _moment(upload.created_at),
        "expires": _moment(upload.expires_at),
    }


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"

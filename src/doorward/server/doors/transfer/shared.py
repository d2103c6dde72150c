"""Download links: who holds one may have these bytes, as far as its row and its maker still go."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from urllib.parse import parse_qs

from starlette.datastructures import Headers

from doorward.server.audit.model import Attempt, Target
from doorward.server.commands import Tx, refused
from doorward.server.doors.asgi import Receive, Scope, Send, header
from doorward.server.doors.context import origin_of
from doorward.server.doors.house import House
from doorward.server.doors.limits.fields import Standing, telling
from doorward.server.doors.problem_json import send_problem
from doorward.server.doors.transfer.archive import (
    archive_chunks,
    archive_size,
    plan_archive,
)
from doorward.server.doors.transfer.download import (
    NOT_MODIFIED,
    Asked,
    Download,
    Plan,
    plan_download,
    read_pieces,
)
from doorward.server.doors.transfer.pages import send_page, wants_page
from doorward.server.doors.transfer.watching import Welcome
from doorward.server.files.archiving import Archive, opened_folder
from doorward.server.files.model import Kind
from doorward.server.files.service import Opened, opened_content
from doorward.server.links import trying, using
from doorward.server.links.model import Disposition, Link
from doorward.server.links.urls import DOWNLOAD_PATH, Presented
from doorward.server.links.using import SIGNED_LINK
from doorward.server.permission.actions import Action
from doorward.server.permission.caller import Caller, Credential
from doorward.server.problems import (
    CreditsExhausted,
    FileNotFound,
    LinkEnded,
    LinkExpired,
    LinkInvalid,
    LinkPasswordNeeded,
    MethodNotAllowed,
    Problem,
    RateLimited,
    VersionNotFound,
)
from doorward.server.uploads.ports import Stretch
from doorward.server.usage.costs import Meter

_ID_CHARACTERS_MAX = 80
_METHODS = ("GET", "HEAD", "POST")
_FORM_BYTES_MAX = 4096
_PASSWORD_HEADER = b"doorward-link-password"


@dataclass(frozen=True, slots=True)
class Offer:
    """An answer that is ready to go, of ``size`` bytes of a content that has ``whole``."""

    plan: Plan
    chunks: AsyncGenerator[bytes | Stretch, None]
    size: int
    whole: int


class LinkDoor:
    """Serves download links."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request for a download link."""
        link_id = scope["path"].removeprefix(DOWNLOAD_PATH)[:_ID_CHARACTERS_MAX]
        from_ = Caller("", Credential(SIGNED_LINK, link_id), origin_of(scope))
        standings: list[Standing] = []
        send = telling(send, standings)
        try:
            answer = await self._answer(scope, receive, from_, standings)
        except Problem as problem:
            await self._audit(problem, link_id, from_)
            if wants_page(scope):
                await send_page(scope, send, problem)
            else:
                await send_problem(send, problem, from_.origin.request_id)
            return
        await answer(scope, receive, send)

    async def _answer(
        self, scope: Scope, receive: Receive, from_: Caller, standings: list[Standing]
    ) -> Download:
        link_id = from_.credential.id or ""
        if scope["method"] not in _METHODS:
            raise MethodNotAllowed(headers={"Allow": ", ".join(_METHODS)})
        url = Presented.of_download(link_id, scope["query_string"])
        self._house.signer.check(url, self._house.clock())
        standings += await self._house.limiting.use_link(link_id)
        link = await self._house.store.read(lambda tx: using.judge_visit(tx, link_id, from_))
        self._check_revoked(link)
        await self._check_password(scope, receive, link)
        what = await self._house.store.read(lambda tx: _open(tx, link))
        return await self._download(scope["method"], link, self._offer(scope, link, what))

    def _offer(self, scope: Scope, link: Link, what: Opened | Archive) -> Offer:
        """Decide on the answer; raises PreconditionFailed, RangeNotSatisfiable."""
        blobs = self._house.blobs
        if isinstance(what, Archive):
            entries = what.entries
            size = archive_size(entries)
            return Offer(plan_archive(what), archive_chunks(blobs, entries), size, size)
        inline = link.disposition is Disposition.INLINE
        asked = Asked(scope["method"], Headers(scope=scope), self._house.clock(), inline)
        plan = plan_download(what, asked)
        chunks = read_pieces(blobs, plan.blob_key, plan.pieces)
        return Offer(plan, chunks, plan.size, what.content.size)

    async def _download(self, method: str, link: Link, offer: Offer) -> Download:
        """Spend a use, unless no bytes are asked for, before the first byte goes."""
        house, plan, size = self._house, offer.plan, offer.size
        welcome = Welcome(
            link.by, lambda tx: using.judge_download(tx, link.id, link.by, begun=True)
        )
        if method == "HEAD" or plan.status == NOT_MODIFIED:
            return Download(plan, offer.chunks, house.watch, welcome)
        await house.metering.require(link.by)
        moving = house.moving(link.by, Meter.DOWNLOADED_BYTES)
        await moving.reach(size)
        client, going_on = using.client_of(link.by), plan.going_on
        try:
            use = await house.store.write(
                lambda tx: using.open_use(
                    tx, link, client, size=size, whole=offer.whole, going_on=going_on
                )
            )
        except BaseException:
            await moving.end(0)
            raise

        async def on_end(sent: int) -> None:
            await moving.end(sent)
            if sent < size:
                await house.store.write(lambda tx: using.close_use(tx, use, size - sent))

        return Download(plan, offer.chunks, house.watch, welcome, on_end)

    def _check_revoked(self, link: Link) -> None:
        if self._house.revoked(link.by):
            raise LinkEnded(reason="revoked")

    async def _check_password(self, scope: Scope, receive: Receive, link: Link) -> None:
        """Raise LinkPasswordNeeded, LinkPasswordTries unless the right password came."""
        if link.password is None:
            return
        password = header(scope, _PASSWORD_HEADER)
        if scope["method"] == "POST":
            password = await _posted(receive)
        if not password:
            raise LinkPasswordNeeded
        await self._house.store.write(lambda tx: trying.take_try(tx, link))
        if not await self._house.passwords.matches(password, link.password):
            raise LinkPasswordNeeded(reason="wrong-password")
        await self._house.store.write(lambda tx: trying.forgive_try(tx, link))

    async def _audit(self, problem: Problem, link_id: str, from_: Caller) -> None:
        """Name whoever made the link, where the signature proved that this is its URL."""
        if isinstance(problem, LinkInvalid):
            await self._house.limiting.fail(from_.origin)
        unproven = LinkInvalid | LinkExpired | MethodNotAllowed
        if isinstance(problem, unproven | RateLimited | CreditsExhausted):
            attempt = Attempt(Action.FILE_DOWNLOAD, Target(None, "link", link_id), from_)
            await self._house.knocks.record(attempt, problem)
            return
        await refused(self._house.store, lambda tx: _attempt(tx, link_id, from_), problem)


def _open(tx: Tx, link: Link) -> Opened | Archive:
    """Give what a link leads to."""
    try:
        if link.resource_kind == Kind.FOLDER.value:
            return opened_folder(tx, link.workspace_id, link.resource_id)
        return opened_content(tx, link.workspace_id, link.resource_id, link.version_id)
    except (FileNotFound, VersionNotFound) as problem:
        raise LinkEnded(reason=problem.code) from None


def _attempt(tx: Tx, link_id: str, from_: Caller) -> Attempt:
    link = tx.links.get(link_id)
    who = from_ if link is None else using.as_of_now(tx, link.by, from_)
    return using.attempt_to_download(tx, link, replace(who, via=from_.credential))


async def _posted(receive: Receive) -> str | None:
    """Read the password that a form sends, None where there is none."""
    body, more = b"", True
    while more and len(body) <= _FORM_BYTES_MAX:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    try:
        fields = parse_qs(body[:_FORM_BYTES_MAX].decode(errors="replace"), max_num_fields=4)
    except ValueError:
        return None
    return fields.get("password", [None])[0]

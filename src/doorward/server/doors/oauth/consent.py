"""How a person comes to be asked, and what they answer: sign-in, question, decision."""

from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from doorward.clerk.tokens import parse
from doorward.server.commands import Tx
from doorward.server.doors.context import origin_of
from doorward.server.doors.knocks import knock
from doorward.server.doors.oauth.desk import Desk
from doorward.server.doors.oauth.pages import consent_page, refusal_page, sign_in_page
from doorward.server.doors.oauth.tickets import read_ticket, ticket_of
from doorward.server.keys.proving import KeyRefused
from doorward.server.oauth.asked import Asked, AskedWrongly
from doorward.server.oauth.documents import (
    DocumentUnusable,
    is_document,
    is_fresh,
    read_document,
)
from doorward.server.oauth.endpoints import AskedInVain, Wanted, decide_request, judge_request
from doorward.server.oauth.redirects import shown_place
from doorward.server.oauth.registration import document_client
from doorward.server.oauth.rules import Allowed
from doorward.server.paging import Page
from doorward.server.permission.caller import SESSION, Caller
from doorward.server.permission.scopes import Scope
from doorward.server.problems import NotAuthenticated, OAuthRefused, PermissionDenied, Problem
from doorward.server.workspaces.model import Standing
from doorward.server.workspaces.service import list_workspaces, welcome

_WORKSPACES_SHOWN_MAX = 100
_REQUEST_CHARACTERS_MAX = 4096  # which is sealed into the page, and comes back with its form
_FIELDS_MAX = 200
_FOUND = 303


class ConsentPages:
    """Three steps, of which only the last changes anything.

    Nobody is known here by a cookie: the first page's script shows the person's own session token,
    and what that proves is sealed into the page that asks. Whatever a client asks for is judged
    only once somebody is there to be asked, so that strangers have nothing fetched or told.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def show_sign_in(self, request: Request) -> Response:
        """Give the page that finds out who is there."""
        sign_in = self._desk.sign_in
        if sign_in.standin is None and sign_in.publishable_key is None:
            text = "This server has no sign-in for pages. Its operator sets CLERK_PUBLISHABLE_KEY."
            return refusal_page(503, text)
        return sign_in_page(sign_in, request.scope["query_string"].decode("latin-1"))

    async def ask(self, request: Request) -> Response:
        """Show what a client wants to the person whose session token came."""
        try:
            form = await self._form(request)
            person = await self._person(request, form["token"])
            text = _bounded(form["request"])
            asked = Asked.of(text, person.origin, method="GET")
            await self._meet(asked.parameters.get("client_id", ""))
            await self._desk.house.store.write(
                lambda tx: welcome(tx, person, self._desk.house.quota_bytes)
            )
            wanted, places = await self._desk.house.store.read(
                lambda tx: self._seen(tx, asked, person)
            )
            ticket = ticket_of(self._desk.tickets, person, text, self._desk.house.clock())
            return consent_page(wanted, person, ticket, places)
        except (AskedWrongly, DocumentUnusable, Problem, KeyError, AskedInVain) as exc:
            return await self._refused(request, exc)

    async def decide(self, request: Request) -> Response:
        """Take the person's answer, and send them back to the client with it."""
        try:
            form, chosen = await self._answers(request)
            house = self._desk.house
            origin = origin_of(request.scope)
            person, text = read_ticket(self._desk.tickets, form["ticket"], origin, house.clock())
            if house.revoked(person):
                raise NotAuthenticated(reason="revoked")
            asked = Asked.of(text, origin, method="GET")
            allowed = _allowed(person, form, chosen)
            reply = await house.store.write(
                lambda tx: decide_request(tx, self._desk.rules, asked, person, allowed)
            )
        except (AskedWrongly, Problem, KeyError, AskedInVain) as exc:
            return await self._refused(request, exc)
        headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        return RedirectResponse(reply.headers["Location"], _FOUND, headers)

    def _seen(self, tx: Tx, asked: Asked, person: Caller) -> tuple[Wanted, list[Standing]]:
        wanted = judge_request(tx, self._desk.rules, asked)
        return wanted, list_workspaces(tx, person, Page(_WORKSPACES_SHOWN_MAX)).rows

    async def _person(self, request: Request, token: str) -> Caller:
        """Give whose session token it is: a person's own, and nobody's who acts for one.

        Whoever impersonates somebody would leave behind what outlives that.
        """
        origin = origin_of(request.scope)
        try:
            person = await self._desk.house.identities.of_text(token, origin)
        except KeyRefused as refused:
            raise refused.problem from refused
        if person.credential.kind != SESSION or parse(token).claims.actor is not None:
            raise PermissionDenied("Only a person decides this.", reason="credential-kind")
        return person

    async def _meet(self, client_id: str) -> None:
        """Read what a client says of itself, where its id is an address; raises DocumentUnusable.

        In the meantime nobody waits for the database.
        """
        if not is_document(client_id):
            return
        store = self._desk.house.store
        known = await store.read(lambda tx: tx.clients.get(client_id))
        if known is not None and is_fresh(known, self._desk.house.clock()):
            return
        said = await read_document(self._desk.outbound, client_id)
        await store.write(lambda tx: document_client(tx, client_id, said))

    async def _form(self, request: Request) -> dict[str, str]:
        return (await self._answers(request))[0]

    async def _answers(self, request: Request) -> tuple[dict[str, str], dict[str, list[str]]]:
        """Read a form that a page of this server sent; raises AskedWrongly.

        The last of several values, and all of them.
        """
        if request.headers.get("origin") not in self._desk.origins:
            raise AskedWrongly("Only a page of this server may send this.")
        body = await request.body()
        try:
            chosen = parse_qs(body.decode("ascii"), max_num_fields=_FIELDS_MAX)
        except ValueError:
            raise AskedWrongly("The form can't be read.") from None
        return {name: values[-1] for name, values in chosen.items()}, chosen

    async def _refused(self, request: Request, exc: Exception) -> Response:
        """Show why, and enter it in the trail.

        Nobody is sent back by themselves: whoever registered a client chose where that leads.
        """
        problem = exc if isinstance(exc, Problem) else OAuthRefused(reason="oauth-page")
        await self._desk.house.knocks.record(knock(request.scope), problem)
        if isinstance(exc, AskedInVain):
            text = f"{exc.client.name} asks for something that can't be had: {exc}"
            return refusal_page(400, text, (shown_place(exc.back), exc.back))
        if isinstance(exc, Problem):
            return refusal_page(exc.status, exc.detail)
        return refusal_page(
            400, "The form lacks a field." if isinstance(exc, KeyError) else str(exc)
        )


def _bounded(text: str) -> str:
    if len(text) > _REQUEST_CHARACTERS_MAX:
        raise AskedWrongly("The application asks at too great length.")
    return text


def _allowed(person: Caller, form: dict[str, str], chosen: dict[str, list[str]]) -> Allowed | None:
    """Give what the form allows, None where the person refuses; raises AskedWrongly."""
    if form["decision"] != "allow":
        return None
    some = form.get("where") == "some"
    workspaces = frozenset(chosen.get("workspace", [])) if some else None
    try:
        scopes = frozenset(Scope(one) for one in chosen.get("scope", []))
    except ValueError:
        raise AskedWrongly("The form names something that there is not.") from None
    if not scopes or (workspaces is not None and not workspaces):
        return None  # what allows nothing refuses
    return Allowed(person, scopes, workspaces)

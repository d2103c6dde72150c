"""Credentials that are to end: each with something bought by it at every door, and how it ends."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from urllib.parse import parse_qs, urlsplit

from doorward.cli.revoking.transfers import UPLOAD_BYTES, Reading, Sending, Transfers
from doorward.cli.revoking.wire import Answer
from doorward.cli.revoking.world import Person, World

_SCOPES = ["files:read", "files:write", "workspaces:read"]
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_JWT = "urn:ietf:params:oauth:token-type:jwt"


class Kind(StrEnum):
    """What ends, and by which call."""

    SESSION = "session"
    KEY = "key"
    TOKEN = "token"  # noqa: S105 - a kind
    TOKEN_BY_KEY = "token, its key"  # noqa: S105
    TOKEN_BY_SESSION = "token, its session"  # noqa: S105
    MEMBERSHIP = "membership"
    DOWNLOAD_LINK = "download link"
    UPLOAD_LINK = "upload link"


@dataclass(slots=True)
class Ways:
    """How a credential is shown, and how it is ended."""

    bearer: Callable[[], str]
    end: Callable[[], Awaitable[Answer]]


@dataclass(slots=True)
class Victim:
    """One credential with all that it bought.

    ``doors`` are what it opens until it ends, by name; each is asked for by ``ask``.
    """

    kind: Kind
    ways: Ways
    transfers: Transfers
    doors: dict[str, tuple[str, str]] = field(default_factory=dict)

    def bearer(self, door: str) -> str | None:
        """Give what is shown at a door: the URL alone where it is a signed one."""
        return self.ways.bearer() if door == "rest" else None


async def make_victim(world: World, kind: Kind, random: Random) -> Victim:
    """Have somebody buy something at every door; raises BenchFailed."""
    person = await world.member()
    ways = await _MAKERS[kind](world, person)
    declared = await world.declare(ways.bearer(), UPLOAD_BYTES)
    link = await world.share(ways.bearer())
    sending = Sending(declared["url"], parts=random.choice((True, False)))
    transfers = Transfers(declared["id"], sending, Reading(link["url"]))
    victim = Victim(kind, ways, transfers)
    victim.doors = {
        "rest": ("GET", f"/api/v1/workspaces/{world.workspace}"),
        "link": ("HEAD", _path(link["url"])),
        "upload URL": ("OPTIONS", _path(declared["url"])),
    }
    _bound_by_link(world, victim, _link_of(declared["url"]), link["id"])
    for one in victim.transfers.under_way():
        await one.start()
    return victim


def _bound_by_link(world: World, victim: Victim, upload_link: str, download_link: str) -> None:
    """Where a link ends, only what it leads to ends with it."""
    bearer, transfers = victim.ways.bearer, victim.transfers

    def killing(link_id: str) -> Callable[[], Awaitable[Answer]]:
        return lambda: world.ask("DELETE", f"links/{link_id}", bearer())

    if victim.kind is Kind.DOWNLOAD_LINK:
        victim.ways = Ways(bearer, killing(download_link))
        victim.doors = {"link": victim.doors["link"]}
        victim.transfers = Transfers(reading=transfers.reading)
    elif victim.kind is Kind.UPLOAD_LINK:
        victim.ways = Ways(bearer, killing(upload_link))
        victim.doors = {"upload URL": victim.doors["upload URL"]}
        victim.transfers = Transfers(transfers.upload_id, transfers.sending)


async def _session(world: World, person: Person) -> Ways:
    return Ways(lambda: person.token, lambda: world.end_session(person.session))


async def _membership(world: World, person: Person) -> Ways:
    return Ways(lambda: person.token, lambda: world.remove(person))


async def _link(world: World, person: Person) -> Ways:
    return Ways(
        lambda: person.token, lambda: world.remove(person)
    )  # the link's own end replaces it


async def _key(world: World, person: Person) -> Ways:
    key_id, secret = await _new_key(world, person)
    return Ways(lambda: secret, lambda: world.ask("DELETE", f"keys/{key_id}", person.token))


async def _token(world: World, person: Person) -> Ways:
    _, agent = await _new_key(world, world.bot)
    lent = await _lend(world, person, agent)
    return Ways(lambda: lent, lambda: world.ask("POST", "token/revoke", agent, {"token": lent}))


async def _token_by_key(world: World, person: Person) -> Ways:
    key_id, agent = await _new_key(world, world.bot)
    lent = await _lend(world, person, agent)
    return Ways(lambda: lent, lambda: world.ask("DELETE", f"keys/{key_id}", world.bot.token))


async def _token_by_session(world: World, person: Person) -> Ways:
    _, agent = await _new_key(world, world.bot)
    lent = await _lend(world, person, agent)
    return Ways(lambda: lent, lambda: world.end_session(person.session))


async def _new_key(world: World, person: Person) -> tuple[str, str]:
    new = {"name": "bench", "scopes": _SCOPES}
    made = (await world.ask("POST", "keys", person.token, new)).json
    return made["id"], made["secret"]


async def _lend(world: World, person: Person, agent: str) -> str:
    form = {"grant_type": _EXCHANGE, "subject_token": person.token, "subject_token_type": _JWT}
    made: str = (await world.ask("POST", "token", agent, form)).json["access_token"]
    return made


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def _link_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["link"][0]


_MAKERS: dict[Kind, Callable[[World, Person], Awaitable[Ways]]] = {
    Kind.SESSION: _session,
    Kind.KEY: _key,
    Kind.TOKEN: _token,
    Kind.TOKEN_BY_KEY: _token_by_key,
    Kind.TOKEN_BY_SESSION: _token_by_session,
    Kind.MEMBERSHIP: _membership,
    Kind.DOWNLOAD_LINK: _link,
    Kind.UPLOAD_LINK: _link,
}

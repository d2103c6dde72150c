"""The pytest plugin: people signed in with real tokens, without a network or an account.

def test_alice_sees_herself(signed_in):
    client = TestClient(app)
    signed_in(client, "alice", org="acme", role="org:admin")
    assert client.get("/me").json()["user"] == "user_alice"

An application that makes its ``ClerkAuth()`` when it is imported needs the stand-in's settings
before that: put ``doorward_standin = true`` under ``[tool.pytest.ini_options]``.

``clerk_standin`` is the stand-in itself: it makes any token, user and key, and bans and deletes.
``clerk_webhooks(client, path)`` sends what happens to the application, signed:

def test_a_ban_is_heard_of(clerk_standin, clerk_webhooks):
    deliver = clerk_webhooks(TestClient(app), "/webhooks/clerk")
    clerk_standin.ban("alice")
    assert [sent.status for sent in deliver()] == ["delivered", "delivered"]

``clerk_clock.advance(seconds)`` moves the stand-in's time until the test's end; an application
follows it that was given ``now=lambda: clerk_standin.now``. ``clerk_api`` is the address of a
Backend API for this test, which ``CLERK_API_URL`` and ``CLERK_SECRET_KEY`` name: for Clerk's own
SDKs, and for guards that take API keys.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pytest

if TYPE_CHECKING:
    from doorward.standin import Session, Standin
    from doorward.standin.deliveries import Delivery

__all__ = [
    "Clock",
    "SignIn",
    "clerk_api",
    "clerk_clock",
    "clerk_standin",
    "clerk_webhooks",
    "signed_in",
]

_OPENED = pytest.StashKey["ExitStack"]()
_STANDIN = pytest.StashKey["Standin"]()
_ENDPOINT = "ep_of_pytest"


class Client(Protocol):
    """FastAPI's TestClient, or a client of httpx or httpx2: what takes ``auth``."""

    auth: Any


_Client = TypeVar("_Client", bound=Client)


class SignIn:
    """A session of the stand-in; used as a client's ``auth`` it puts a fresh token on requests."""

    def __init__(
        self, standin: "Standin", session: "Session", claims: Mapping[str, Any] | None
    ) -> None:
        self._standin = standin
        self._claims = claims
        self.session = session

    def __call__(self, request: Any) -> Any:
        """Put a token that is valid for a minute on a request."""
        request.headers["Authorization"] = f"Bearer {self.token()}"
        return request

    @property
    def user_id(self) -> str:
        """Who is signed in."""
        return self.session.user_id

    def token(self, *, ttl: float = 60) -> str:
        """Give a new token of the session, for what takes no ``auth``."""
        return self._standin.token(self.session, ttl=ttl, claims=self._claims)


class Clock:
    """The stand-in's time, which a test moves."""

    def __init__(self, standin: "Standin") -> None:
        self._standin = standin

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return self._standin.now

    def advance(self, seconds: float) -> None:
        """Move the time on."""
        self._standin.advance(seconds)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting ``doorward_standin``."""
    parser.addini(
        "doorward_standin",
        "Set CLERK_* to a local stand-in before any test module is imported.",
        type="bool",
        default=False,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Open the stand-in early where that was asked for."""
    if config.getini("doorward_standin"):
        _standin_of(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Put the environment back and remove the stand-in's folder."""
    if _OPENED in config.stash:
        config.stash[_OPENED].close()


@pytest.fixture(scope="session")
def clerk_standin(request: pytest.FixtureRequest) -> "Standin":
    """A stand-in for Clerk that ``ClerkAuth()`` trusts, since CLERK_* name its key."""
    return _standin_of(request.config)


@pytest.fixture
def signed_in(clerk_standin: "Standin") -> Iterator[Callable[..., SignIn]]:
    """Sign a user in on a client: ``signed_in(client, "alice", org="acme", role="org:admin")``.

    Gives the ``SignIn``. After the test the client is as it was.
    """
    with ExitStack() as undo:

        def sign_in(
            client: _Client,
            user: str = "alice",
            *,
            org: str | None = None,
            role: str | None = None,
            permissions: Sequence[str] = (),
            claims: Mapping[str, Any] | None = None,
        ) -> SignIn:
            session = clerk_standin.sign_in(user, org=org, role=role, permissions=permissions)
            undo.callback(setattr, client, "auth", client.auth)
            client.auth = auth = SignIn(clerk_standin, session, claims)
            return auth

        yield sign_in


@pytest.fixture
def clerk_clock(clerk_standin: "Standin") -> Iterator[Clock]:
    """The stand-in's clock; after the test it is as it was."""
    before = clerk_standin.clock_offset
    yield Clock(clerk_standin)
    clerk_standin.set_clock_offset(before)


@pytest.fixture
def clerk_webhooks(
    clerk_standin: "Standin",
) -> Iterator[Callable[..., Callable[[], "list[Delivery]"]]]:
    """Register an application for events: ``clerk_webhooks(client, "/webhooks/clerk")``.

    ``client`` is the application's TestClient, or None to send over real connections to a whole
    address. The secret is the one that CLERK_WEBHOOK_SIGNING_SECRET names. Gives a function that
    sends what has happened since, and says what came of it.
    """
    with ExitStack() as undo:

        def register(
            client: Any, path: str, events: Sequence[str] = ()
        ) -> Callable[[], "list[Delivery]"]:
            url = path if client is None else f"http://127.0.0.1{path}"
            clerk_standin.add_webhook(url, events, endpoint_id=_ENDPOINT)
            undo.callback(clerk_standin.remove_webhook, _ENDPOINT)
            return lambda: clerk_standin.deliver(client)

        yield register


@pytest.fixture
def clerk_api(clerk_standin: "Standin", monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a Backend API on this machine, while the test runs."""
    from doorward.standin.serving import serving

    with serving(clerk_standin) as url:
        monkeypatch.setenv("CLERK_API_URL", url)
        monkeypatch.setenv("CLERK_SECRET_KEY", clerk_standin.secret_key)
        yield url


def _standin_of(config: pytest.Config) -> "Standin":
    """Open the one stand-in of this run, and let the environment name its key and no other."""
    from doorward.standin import DEFAULT_PARTY, Standin

    if _STANDIN not in config.stash:
        opened = config.stash[_OPENED] = ExitStack()
        folder = Path(tempfile.mkdtemp(prefix="doorward-standin-"))
        opened.callback(shutil.rmtree, folder, ignore_errors=True)
        standin = config.stash[_STANDIN] = Standin.open(folder)
        opened.callback(standin.close)
        patch = opened.enter_context(pytest.MonkeyPatch.context())
        for name in [name for name in os.environ if name.startswith("CLERK_")]:
            patch.delenv(name)
        patch.setenv("CLERK_JWT_KEY", standin.public_key_pem)
        patch.setenv("CLERK_AUTHORIZED_PARTIES", DEFAULT_PARTY)
        patch.setenv("CLERK_WEBHOOK_SIGNING_SECRET", standin.webhook_secret(_ENDPOINT))
    return config.stash[_STANDIN]

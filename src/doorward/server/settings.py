"""All settings, read once from the environment and judged together before anything starts."""

import ipaddress
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from doorward.clerk.errors import ConfigurationError
from doorward.clerk.webhooks import Verifier
from doorward.server.limits.model import LimitSettings
from doorward.server.limits.plans import Plans
from doorward.server.limits.reading import read_limits, read_plans
from doorward.server.names import ENVIRONMENT
from doorward.server.outbound.addresses import Network, network_of
from doorward.server.outbound.targets import target_of
from doorward.server.permission.roles import Role
from doorward.server.problems import Problem
from doorward.server.storage import RemoteStorage, read_storage_url

T = TypeVar("T")

PORT_DEFAULT = 8040
GIBIBYTE = 1 << 30
FASTIO_BASE = "https://api.fast.io/current"
_SECRET_BYTES = 32
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/(?:\*|[a-z0-9!#$&^_.+-]+)")
_EXTENSION = re.compile(r"[a-z0-9_-]{1,32}")
_BUS = re.compile(r"(?:rediss?://[^/\s]|unix://)")
_CLERK = (
    "CLERK_SECRET_KEY",
    "CLERK_PUBLISHABLE_KEY",
    "CLERK_JWT_KEY",
    "CLERK_API_URL",
    "CLERK_JWKS_URL",
    "CLERK_AUTHORIZED_PARTIES",
)
_WEBHOOK_SECRETS = ("CLERK_WEBHOOK_SIGNING_SECRET", "CLERK_WEBHOOK_SECRET")


class SettingsInvalid(Exception):
    """The settings are wrong; the message names every mistake and what to do about it."""

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        lines = "\n".join(f"  - {mistake}" for mistake in mistakes)
        super().__init__(f"Doorward can't start with these settings:\n{lines}")


class Secret(str):
    """A text that never shows itself in a representation."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


@dataclass(frozen=True, slots=True)
class ClerkSettings:
    """What verifies sign-ins, None throughout where the stand-in does, and Clerk's webhooks."""

    secret_key: Secret | None = None
    publishable_key: str | None = None
    jwt_key: str | None = None
    jwks_url: str | None = None
    api_url: str | None = None
    authorized_parties: tuple[str, ...] = ()
    webhook_secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. Sizes are in bytes, lives in seconds."""

    data: Path
    host: str
    port: int
    public_url: str
    database: Path
    blobs: Path
    standin: bool
    durable: bool
    clerk: ClerkSettings
    secret: Secret = field(repr=False)
    upload_bytes_max: int = 50 * GIBIBYTE
    upload_url_seconds: int = 900
    upload_life_seconds: int = 86_400
    blob_grace_seconds: int = 3600
    bin_days: int = 30
    upload_rows_days: int = 30
    allowed_types: tuple[str, ...] = ()
    denied_extensions: tuple[str, ...] = ()
    workspace_files_max: int | None = None
    link_seconds_max: int = 604_800
    key_environments: frozenset[str] = frozenset()
    key_proved_seconds_max: int = 3600
    delegated_seconds: int = 600
    alert_refusals: int = 50
    alert_upload_bytes: int = 20 * GIBIBYTE
    alert_factor: int = 5
    metrics_allowed: tuple[Network, ...] = ()
    oauth_token_seconds: int = 600
    oauth_registration: bool = True
    workspace_quota_bytes: int = 50 * GIBIBYTE
    transfer_seconds_max: int = 604_800
    transfer_undo_seconds: int = 604_800
    stop_grace_seconds: int = 30
    outbound_allowed: tuple[Network, ...] = ()
    import_seconds_max: int = 3600
    organization_roles: Mapping[str, Role] = field(default_factory=dict)
    remote: RemoteStorage | None = None
    limits: LimitSettings = field(default_factory=LimitSettings)
    plans: Plans = field(default_factory=Plans)
    trusted_proxies: tuple[Network, ...] = ()
    bus_url: Secret | None = None

    @property
    def knows_addresses(self) -> bool:
        """Say whether a request's address can be its visitor's: a proxy that nobody named hides it.

        Who listens on loopback and is reached elsewhere stands behind one.
        """
        public = urlsplit(self.public_url).hostname or ""
        return bool(self.trusted_proxies) or not is_loopback(self.host) or is_loopback(public)

    audit_days: int = 0
    audit_heads_seconds: int = 60
    audit_heads_url: str | None = None

    @property
    def revocations(self) -> Path:
        """Where what was revoked is kept, for every process of the folder."""
        return self.data / "revocations.db"

    def listening_on(self, port: int) -> "Settings":
        """Give the settings with the port that was chosen, in the public address too."""
        if port == self.port:
            return self
        public_url = self.public_url
        if public_url.endswith(f":{self.port}"):
            public_url = f"{public_url.removesuffix(f':{self.port}')}:{port}"
        return replace(self, port=port, public_url=public_url)

    def as_environment(self) -> dict[str, str]:
        """Give what a worker process needs beyond the environment it inherits."""
        return {
            "DOORWARD_DATA": str(self.data),
            "DOORWARD_HOST": self.host,
            "DOORWARD_PORT": str(self.port),
            "DOORWARD_PUBLIC_URL": self.public_url,
        }


ORGANIZATION_ROLES_DEFAULT = "org:admin=admin,org:member=editor,*=viewer"


def load_settings(
    environ: Mapping[str, str],
    *,
    data: Path | None = None,
    host: str | None = None,
    port: int | None = None,
) -> Settings:
    """Read and judge every setting; what the command line gives wins over the environment.

    A secret may come from the file that ``NAME_FILE`` names. Raises SettingsInvalid.
    """
    return _Reader(environ).settings(data, host, port)


class _Reader:
    """Reads one variable at a time and collects what is wrong instead of stopping at it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._mistakes: list[str] = []

    def settings(self, data: Path | None, host: str | None, port: int | None) -> Settings:
        folder = (data or Path(self.text("DOORWARD_DATA") or "data")).absolute()
        host = host or self.text("DOORWARD_HOST") or "127.0.0.1"
        port = port if port is not None else self.number("DOORWARD_PORT", PORT_DEFAULT, 0, 65535)
        clerk = self.clerk()
        settings = Settings(
            data=folder,
            host=host,
            port=port,
            public_url=self.public_url(host, port),
            database=self.local("DOORWARD_DATABASE_URL", "sqlite", folder / "doorward.db"),
            blobs=self.blobs(folder / "blobs"),
            remote=self.remote(),
            standin=self.standin(host),
            durable=self.choice("DOORWARD_DURABILITY", {"full": True, "fast": False}, "full"),
            clerk=clerk,
            secret=self.signing_secret(folder),
            upload_bytes_max=self.number("DOORWARD_UPLOAD_BYTES_MAX", 50 * GIBIBYTE, 1),
            upload_url_seconds=self.number("DOORWARD_UPLOAD_URL_SECONDS", 900, 1, 86_400),
            upload_life_seconds=self.number("DOORWARD_UPLOAD_LIFE_SECONDS", 86_400, 1),
            blob_grace_seconds=self.number("DOORWARD_BLOB_GRACE_SECONDS", 3600, 0),
            bin_days=self.number("DOORWARD_BIN_DAYS", 30, 0, 36_500),
            upload_rows_days=self.number("DOORWARD_UPLOAD_ROWS_DAYS", 30, 0, 36_500),
            allowed_types=self.listed("DOORWARD_ALLOWED_TYPES", _TYPE, "image/*, text/plain"),
            denied_extensions=self.listed("DOORWARD_DENIED_EXTENSIONS", _EXTENSION, "exe, scr"),
            workspace_files_max=self.number("DOORWARD_FILES_MAX", 0, 0) or None,
            link_seconds_max=self.number("DOORWARD_LINK_SECONDS_MAX", 604_800, 1, 31_536_000),
            key_environments=self.key_environments(),
            key_proved_seconds_max=self.number("DOORWARD_KEY_SIGN_IN_SECONDS", 3600, 60),
            delegated_seconds=self.number("DOORWARD_DELEGATED_SECONDS", 600, 60, 3600),
            alert_refusals=self.number("DOORWARD_ALERT_REFUSALS", 50, 0),
            alert_upload_bytes=self.number("DOORWARD_ALERT_UPLOAD_BYTES", 20 * GIBIBYTE, 0),
            alert_factor=self.number("DOORWARD_ALERT_FACTOR", 5, 1),
            metrics_allowed=self.networks("DOORWARD_METRICS_ALLOW"),
            oauth_token_seconds=self.number("DOORWARD_OAUTH_TOKEN_SECONDS", 600, 60, 3600),
            oauth_registration=self.choice(
                "DOORWARD_OAUTH_REGISTRATION", {"open": True, "off": False}, "open"
            ),
            workspace_quota_bytes=self.number("DOORWARD_QUOTA_BYTES", 50 * GIBIBYTE, 0),
            transfer_seconds_max=self.number(
                "DOORWARD_TRANSFER_SECONDS_MAX", 604_800, 1, 31_536_000
            ),
            transfer_undo_seconds=self.number(
                "DOORWARD_TRANSFER_UNDO_SECONDS", 604_800, 0, 31_536_000
            ),
            stop_grace_seconds=self.number("DOORWARD_STOP_GRACE_SECONDS", 30, 0, 3600),
            import_seconds_max=self.number("DOORWARD_IMPORT_SECONDS_MAX", 3600, 1, 86_400),
            outbound_allowed=self.networks("DOORWARD_OUTBOUND_ALLOW"),
            organization_roles=self.organization_roles(),
            limits=read_limits(self),
            plans=read_plans(self, self.number("DOORWARD_QUOTA_BYTES", 50 * GIBIBYTE, 0)),
            trusted_proxies=self.networks("DOORWARD_TRUSTED_PROXIES"),
            bus_url=self.bus_url(),
            audit_days=self.number("DOORWARD_AUDIT_DAYS", 0, 0, 36_500),
            audit_heads_seconds=self.number("DOORWARD_AUDIT_HEADS_SECONDS", 60, 1, 86_400),
            audit_heads_url=self.audit_heads_url(),
        )
        if self._mistakes:
            raise SettingsInvalid(self._mistakes)
        return settings

    def text(self, name: str) -> str | None:
        return self._environ.get(name, "").strip() or None

    def secret(self, name: str) -> Secret | None:
        value, file = self.text(name), self.text(f"{name}_FILE")
        if value and file:
            self.mistake(f"{name} and {name}_FILE are both set: keep one of them.")
        if file is None:
            return Secret(value) if value else None
        try:
            content = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "it is not text"
            self.mistake(f"{name}_FILE names {file}, which can't be read: {reason}.")
            return None
        if not content:
            self.mistake(f"{name}_FILE names {file}, which is empty.")
        return Secret(content)

    def number(self, name: str, default: int, least: int, most: int = 1 << 62) -> int:
        text = self.text(name)
        if text is None:
            return default
        if text.isascii() and text.isdigit() and least <= int(text) <= most:
            return int(text)
        bound = f"from {least} to {most}" if most < 1 << 62 else f"of {least} or more"
        self.mistake(f"{name} is {text!r}: give a whole number {bound}.")
        return default

    def listed(self, name: str, form: re.Pattern[str], example: str) -> tuple[str, ...]:
        parts = [part.strip().lower() for part in (self.text(name) or "").split(",")]
        wrong = [part for part in parts if part and not form.fullmatch(part)]
        if wrong:
            self.mistake(f"{name} has {wrong[0]!r}: write a list such as {example}.")
        return tuple(part for part in parts if part)

    def choice(self, name: str, choices: Mapping[str, T], default: str) -> T:
        text = self.text(name) or default
        if text not in choices:
            self.mistake(f"{name} is {text!r}: give one of {', '.join(choices)}.")
            text = default
        return choices[text]

    def local(self, name: str, scheme: str, default: Path) -> Path:
        text = self.text(name)
        if text is None:
            return default
        prefix = f"{scheme}:///"
        if text.startswith(prefix):
            # As each world has it: sqlite:///relative, sqlite:////absolute, file:///absolute.
            root = "" if scheme == "sqlite" else "/"
            return Path(root + text.removeprefix(prefix)).absolute()
        shown = text.split("://", 1)[0]
        self.mistake(
            f"{name} begins with {shown!r}: this version takes {prefix}PATH, or nothing for the "
            "data folder."
        )
        return default

    def blobs(self, default: Path) -> Path:
        """Give the folder of the bytes, or where those of a remote store come to first."""
        text = self.text("DOORWARD_STORAGE_URL") or ""
        here = not text or text.startswith("file:")
        return self.local("DOORWARD_STORAGE_URL", "file", default) if here else default

    def remote(self) -> RemoteStorage | None:
        text = self.text("DOORWARD_STORAGE_URL")
        if text is None or text.startswith("file:"):
            return None
        try:
            storage = read_storage_url(text)
        except ValueError as exc:
            self.mistake(f"DOORWARD_STORAGE_URL can't be used: {exc}.")
            return None
        return self.fastio(storage) if storage.scheme == "fastio" else self.cloud(storage)

    def cloud(self, storage: RemoteStorage) -> RemoteStorage:
        if storage.scheme == "gs":
            return storage  # obstore reads the variables of Google's own libraries
        if storage.scheme == "az":
            return self.azure(storage)
        held = replace(
            storage,
            endpoint=storage.endpoint or self.text("AWS_ENDPOINT_URL"),
            region=storage.region or self.text("AWS_REGION") or self.text("AWS_DEFAULT_REGION"),
            access_key_id=self.secret("AWS_ACCESS_KEY_ID"),
            secret_access_key=self.secret("AWS_SECRET_ACCESS_KEY"),
            session_token=self.secret("AWS_SESSION_TOKEN"),
        )
        if (held.access_key_id is None) != (held.secret_access_key is None):
            self.mistake(
                "Of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY one is set: set both, or neither "
                "where the machine itself has a role."
            )
        return held

    def azure(self, storage: RemoteStorage) -> RemoteStorage:
        held = replace(
            storage,
            account=storage.account or self.text("AZURE_STORAGE_ACCOUNT_NAME"),
            secret_access_key=self.secret("AZURE_STORAGE_ACCOUNT_KEY"),
        )
        if held.account is None:
            self.mistake(
                "DOORWARD_STORAGE_URL begins with az:// and nothing names the storage account: set "
                "AZURE_STORAGE_ACCOUNT_NAME."
            )
        return held

    def fastio(self, storage: RemoteStorage) -> RemoteStorage:
        key = self.secret("FASTIO_API_KEY")
        if key is None:
            self.mistake(
                "DOORWARD_STORAGE_URL begins with fastio:// and FASTIO_API_KEY is not set: make a "
                "key that may write in that workspace (Fast.io, settings, API keys)."
            )
        base = self.text("FASTIO_API_BASE") or FASTIO_BASE
        return replace(storage, api_key=key, endpoint=base.rstrip("/"))

    def key_environments(self) -> frozenset[str]:
        """Read the environments whose keys are taken here; none names all."""
        names = (self.text("DOORWARD_KEY_ENVIRONMENTS") or "").split(",")
        found = frozenset(name.strip() for name in names if name.strip())
        if any(re.fullmatch(ENVIRONMENT, name) is None for name in found):
            self.mistake(
                "DOORWARD_KEY_ENVIRONMENTS takes names such as live,test: lower-case letters and "
                "digits, at most 16."
            )
        return found

    def bus_url(self) -> Secret | None:
        """Take the address of a Redis or Valkey; its password never shows itself."""
        url = self.secret("DOORWARD_BUS_URL")
        if url is None:
            return None
        if not _BUS.match(url):
            shown = url.split("://", 1)[0][:20]
            self.mistake(
                f"DOORWARD_BUS_URL begins with {shown!r}: give the address of a Redis or Valkey, "
                "such as redis://127.0.0.1:6379/0."
            )
        elif find_spec("redis") is None:
            self.mistake(
                "DOORWARD_BUS_URL is set and the package redis is not installed: "
                "pip install 'doorward[redis]'."
            )
        return url

    def public_url(self, host: str, port: int) -> str:
        text = self.text("DOORWARD_PUBLIC_URL")
        if text is None:
            if not is_loopback(host):
                self.mistake(
                    f"DOORWARD_PUBLIC_URL is not set, and {host} is not a loopback address: give "
                    "the address under which people reach this server, such as "
                    "https://files.example.com."
                )
            return f"http://{'127.0.0.1' if host == 'localhost' else _bracketed(host)}:{port}"
        parts = urlsplit(text)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
            self.mistake(
                f"DOORWARD_PUBLIC_URL is {text!r}: give an address such as https://files.example.com."
            )
        return text.rstrip("/")

    def audit_heads_url(self) -> str | None:
        text = self.text("DOORWARD_AUDIT_HEADS_URL")
        if text is None:
            return None
        try:
            target_of(text)
        except Problem:
            self.mistake(
                "DOORWARD_AUDIT_HEADS_URL is no address that heads can be sent to: give one such "
                "as https://witness.example.com/doorward."
            )
        return text

    def clerk(self) -> ClerkSettings:
        parties = (self.text("CLERK_AUTHORIZED_PARTIES") or "").split(",")
        return ClerkSettings(
            secret_key=self.secret("CLERK_SECRET_KEY"),
            publishable_key=self.text("CLERK_PUBLISHABLE_KEY"),
            jwt_key=self.secret("CLERK_JWT_KEY"),
            jwks_url=self.text("CLERK_JWKS_URL"),
            api_url=self.text("CLERK_API_URL"),
            authorized_parties=tuple(party.strip() for party in parties if party.strip()),
            webhook_secret=self.webhook_secret(),
        )

    def webhook_secret(self) -> Secret | None:
        """Give the secret of Clerk's webhooks, by either of its names."""
        for name in _WEBHOOK_SECRETS:
            secret = self.secret(name)
            if secret is None:
                continue
            try:
                Verifier(secret)
            except ConfigurationError:
                self.mistake(
                    f"{name} is no webhook secret: copy the whsec_… of the endpoint (Clerk "
                    "dashboard, Webhooks, the endpoint, Signing secret)."
                )
            return secret
        return None

    def standin(self, host: str) -> bool:
        # One that is there and empty is a secret that did not arrive, not a wish for the stand-in.
        named = self.named(_CLERK)
        public = urlsplit(self.text("DOORWARD_PUBLIC_URL") or "").hostname
        here = is_loopback(host) and (public is None or is_loopback(public))
        wanted = self.choice("DOORWARD_STANDIN", {"on": True, "off": False, "": None}, "")
        if wanted and not here:
            self.mistake(
                f"DOORWARD_STANDIN is on and the server is reached at {public or host}: whoever "
                "reaches the stand-in can sign in as anyone, so it runs on loopback only. Set "
                "CLERK_SECRET_KEY, or serve on 127.0.0.1 without a public address."
            )
        if wanted and named:
            self.mistake(
                f"DOORWARD_STANDIN is on and {', '.join(named)} is set: the stand-in and a real "
                "Clerk exclude each other, so unset one side."
            )
        if wanted is None:
            # The stand-in sends webhooks too, so their secret excludes it only where nobody asks.
            wanted = not named and not self.named(_WEBHOOK_SECRETS) and here
        if not wanted and not self._has_clerk_key():
            self.mistake(
                "Nothing says how sign-ins are verified: set CLERK_SECRET_KEY (Clerk dashboard, "
                "API keys, Secret keys), CLERK_JWT_KEY (there too, JWKS public key, PEM) or "
                "CLERK_JWKS_URL; or serve on 127.0.0.1 with DOORWARD_STANDIN=on to try without an "
                "account."
            )
        return wanted

    def named(self, names: tuple[str, ...]) -> list[str]:
        return [n for n in names if n in self._environ or f"{n}_FILE" in self._environ]

    def _has_clerk_key(self) -> bool:
        names = ("CLERK_SECRET_KEY", "CLERK_JWT_KEY", "CLERK_JWKS_URL")
        return any(self.text(name) or self.text(f"{name}_FILE") for name in names)

    def networks(self, name: str) -> tuple[Network, ...]:
        texts = [part.strip() for part in (self.text(name) or "").split(",") if part.strip()]
        networks = []
        for text in texts:
            try:
                networks.append(network_of(text))
            except ValueError:
                self.mistake(f"{name} has {text!r}: write networks such as 10.1.0.0/16.")
        return tuple(networks)

    def organization_roles(self) -> dict[str, Role]:
        text = self.text("DOORWARD_ORGANIZATION_ROLES") or ORGANIZATION_ROLES_DEFAULT
        roles: dict[str, Role] = {}
        for pair in filter(None, (part.strip() for part in text.split(","))):
            clerk_role, _, role = pair.partition("=")
            if role not in set(Role) or not clerk_role:
                self.mistake(
                    f"DOORWARD_ORGANIZATION_ROLES has {pair!r}: write pairs such as "
                    f"org:member=editor, with one of {', '.join(Role)}."
                )
                continue
            roles[clerk_role] = Role(role)
        return roles

    def signing_secret(self, folder: Path) -> Secret:
        """Take DOORWARD_SECRET, or the one that ``keep_secret`` made in the data folder."""
        secret = self.secret("DOORWARD_SECRET")
        if secret is None:
            kept = kept_secret(folder)
            if kept is not None and len(kept) < _SECRET_BYTES:
                self.mistake(
                    f"The signing secret in {folder / 'secret'} is damaged: restore it, or remove "
                    "the file to have a new one made (signed URLs handed out so far end)."
                )
            return kept or Secret()
        if len(secret) < _SECRET_BYTES:
            self.mistake(
                f"DOORWARD_SECRET has fewer than {_SECRET_BYTES} characters: make one with "
                "'openssl rand -hex 32'."
            )
        return secret

    def mistake(self, text: str) -> None:
        self._mistakes.append(text)


def kept_secret(folder: Path) -> Secret | None:
    """Give the signing secret that lies in the data folder, None where none was made yet."""
    try:
        return Secret((folder / "secret").read_text(encoding="ascii").strip())
    except FileNotFoundError:
        return None


def make_secret() -> Secret:
    """Make a signing secret of 256 random bits."""
    return Secret(secrets.token_hex(_SECRET_BYTES))


def is_loopback(host: str) -> bool:
    """Say whether the host can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host

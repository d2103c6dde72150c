"""Where bytes are kept in the end, as ``DOORWARD_STORAGE_URL`` says it."""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, urlsplit

SCHEMES = ("s3", "gs", "az", "fastio")
_OPTIONS = {
    "s3": {"endpoint", "region", "path_style", "timeout", "retries"},
    "gs": {"endpoint", "timeout", "retries"},
    "az": {"endpoint", "account", "timeout", "retries"},
    "fastio": {"folder", "timeout", "retries"},
}
_TIMEOUT_SECONDS = 60
_RETRIES = 4


@dataclass(frozen=True, slots=True)
class RemoteStorage:
    """A store reached over a network; no credential shows itself in a representation.

    ``timeout_seconds`` bounds one request, and ``retries`` how often one is tried again.
    """

    scheme: str
    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    path_style: bool = True
    account: str | None = None
    folder: str = "root"
    timeout_seconds: int = _TIMEOUT_SECONDS
    retries: int = _RETRIES
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        """Name the store for people."""
        return f"{self.scheme}://{'/'.join(filter(None, (self.bucket, self.prefix)))}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Give what must never be written anywhere."""
        held = (self.access_key_id, self.secret_access_key, self.session_token, self.api_key)
        return tuple(str(secret) for secret in held if secret)


def read_storage_url(text: str) -> RemoteStorage:
    """Read a URL such as ``s3://bucket/prefix?region=eu-central-1``.

    Raises ValueError, whose message repeats nothing that may be a credential.
    """
    parts = urlsplit(text)
    if parts.scheme not in SCHEMES:
        raise ValueError(f"give file:///PATH or one of {', '.join(f'{s}://…' for s in SCHEMES)}")
    if "@" in parts.netloc:
        raise ValueError("a credential does not belong into it: use the variables of the store")
    if not parts.netloc or parts.fragment:
        raise ValueError(f"name what is in {parts.scheme}://, such as {parts.scheme}://name")
    options = _options(parts)
    return RemoteStorage(
        scheme=parts.scheme,
        bucket=parts.netloc,
        prefix=parts.path.strip("/"),
        endpoint=_address(options.get("endpoint")),
        region=options.get("region"),
        path_style=_on(options.get("path_style", "on")),
        account=options.get("account"),
        folder=options.get("folder", "root"),
        timeout_seconds=_number("timeout", options.get("timeout"), _TIMEOUT_SECONDS, 1),
        retries=_number("retries", options.get("retries"), _RETRIES, 0),
    )


def _options(parts: SplitResult) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    known = _OPTIONS[parts.scheme]
    if not options.keys() <= known:
        raise ValueError(f"after the ? it takes {', '.join(sorted(known))} and nothing else")
    return options


def _address(text: str | None) -> str | None:
    if text is None:
        return None
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError("its endpoint is an address such as https://s3.example.com")
    return text.rstrip("/")


def _on(text: str) -> bool:
    if text not in {"on", "off"}:
        raise ValueError("its path_style is on or off")
    return text == "on"


def _number(name: str, text: str | None, default: int, least: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and least <= int(text) <= 3600):  # noqa: PLR2004
        raise ValueError(f"its {name} is a whole number from {least} to 3600")
    return int(text)

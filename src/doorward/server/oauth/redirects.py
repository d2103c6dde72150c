"""Where an application may have a person sent back to: named beforehand, and compared exactly."""

import re
from urllib.parse import urlsplit

from doorward.server.outbound.targets import target_of
from doorward.server.problems import AddressNotAllowed

CHARACTERS_MAX = 2000
_PLAIN = re.compile(r"[!-~]+")
# An application on the person's own machine listens on a port that it learns when it starts
# (RFC 8252, section 7.3); nothing else about its address may differ.
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|\[::1\]|localhost)(?::[1-9][0-9]{0,4})?(/.*)?")
_APPLICATION = re.compile(r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+")
_KNOWN_APPLICATIONS = frozenset({"cursor", "vscode", "vscode-insiders", "windsurf", "zed"})


class RedirectInvalid(Exception):
    """An address to which nobody is sent; the message says why."""


def checked_redirect(uri: str) -> str:
    """Give an address to which an application may have people sent back; raises RedirectInvalid.

    It is https, or http on the person's own machine, or of a scheme that an application on it
    has of its own (RFC 8252, section 7).
    """
    if not _PLAIN.fullmatch(uri) or len(uri) > CHARACTERS_MAX or "\\" in uri:
        raise RedirectInvalid("it is too long, or holds a character that no address has")
    if "#" in uri:
        raise RedirectInvalid("it has a fragment")
    scheme = uri.partition(":")[0]
    if scheme in {"http", "https"}:
        _require_web(uri, scheme)
    elif not _APPLICATION.fullmatch(scheme) and scheme not in _KNOWN_APPLICATIONS:
        raise RedirectInvalid(
            "its scheme is neither https nor an application's own, such as com.example.app"
        )
    return uri


def redirect_matches(registered: str, asked: str) -> bool:
    """Say whether the address asked for is the one that was named: to the letter.

    Of an address on the person's own machine the port alone may be another one.
    """
    if registered == asked:
        return True
    here, there = _LOOPBACK.fullmatch(registered), _LOOPBACK.fullmatch(asked)
    return bool(here and there and here.groups() == there.groups() and _sound(asked))


def shown_place(uri: str) -> str:
    """Say in a few words where an address leads, for whoever is asked to agree."""
    if _LOOPBACK.fullmatch(uri):
        return "an application on this computer"
    parts = urlsplit(uri)
    if parts.scheme == "https":
        return parts.netloc
    return f"the application on this computer that opens {parts.scheme}: addresses"


def origin_for_policy(uri: str) -> str:
    """Give an address as a content security policy names where a form may lead."""
    parts = urlsplit(uri)
    if parts.scheme in {"http", "https"}:
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:"


def _require_web(uri: str, scheme: str) -> None:
    try:
        target_of(uri)  # which takes no name of a user, and one way of writing a host alone
    except AddressNotAllowed:
        raise RedirectInvalid("it is not plainly an address of the web") from None
    if scheme == "http" and not _LOOPBACK.fullmatch(uri):
        raise RedirectInvalid("it is not https, and not on the person's own machine")


def _sound(uri: str) -> bool:
    try:
        checked_redirect(uri)
    except RedirectInvalid:
        return False
    return True

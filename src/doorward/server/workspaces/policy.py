"""What may be put into a workspace, beyond what roles say: a value, and how it judges names.

Whatever gives a name in a workspace asks ``check_naming``: uploads, folders, renames, the bin.
"""

import string
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from doorward.server.problems import PolicyRefused

_PORTABLE = frozenset(string.ascii_letters + string.digits + "._-")


class NameSet(StrEnum):
    """Which characters a name may have; fixed sets, so that no pattern can be made slow."""

    ANY = "any"
    ASCII = "ascii"
    PORTABLE = "portable"  # letters, digits, and . _ - (POSIX, section 3.282)


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits; what is None or empty limits nothing.

    ``allowed_types`` are media types, ``image/*`` among them; ``denied_extensions`` are without
    their dot, in lower case.
    """

    max_upload_bytes: int | None = None
    max_files: int | None = None
    allowed_types: tuple[str, ...] = ()
    denied_extensions: tuple[str, ...] = ()
    names: NameSet = NameSet.ANY
    name_bytes_max: int | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> "Policy":
        """Read a policy as ``stored`` gave it."""
        if not stored:
            return NO_POLICY
        return cls(
            stored["max_upload_bytes"],
            stored["max_files"],
            tuple(stored["allowed_types"]),
            tuple(stored["denied_extensions"]),
            NameSet(stored["names"]),
            stored["name_bytes_max"],
        )

    def stored(self) -> dict[str, Any] | None:
        """Give the policy as JSON, None where it limits nothing."""
        return None if self == NO_POLICY else asdict(self)


NO_POLICY = Policy()


def check_naming(name: str, policies: Iterable[Policy], *, of_file: bool) -> None:
    """Judge a name that is to be given; raises PolicyRefused.

    Extensions are those of files alone; which characters and how many holds for folders too.
    """
    for policy in policies:
        if policy is not NO_POLICY:
            if of_file:
                _check_extension(name, policy)
            _check_name(name, policy)


def _check_extension(name: str, policy: Policy) -> None:
    """Every extension counts: ``a.exe.txt`` has two."""
    denied = set(name.lower().split(".")[1:]) & set(policy.denied_extensions)
    if denied:
        raise PolicyRefused(
            f"Files named .{min(denied)} may not be put here.",
            denied_extensions=list(policy.denied_extensions),
        )


def _check_name(name: str, policy: Policy) -> None:
    if policy.name_bytes_max is not None and len(name.encode()) > policy.name_bytes_max:
        raise PolicyRefused(
            f"A name here may have at most {policy.name_bytes_max} bytes.",
            limit_bytes=policy.name_bytes_max,
        )
    if policy.names is NameSet.ASCII and not name.isascii():
        raise PolicyRefused("Names here may have ASCII characters only.")
    if policy.names is NameSet.PORTABLE and not _PORTABLE.issuperset(name):
        raise PolicyRefused("Names here may have letters A to Z, digits, and . _ - only.")

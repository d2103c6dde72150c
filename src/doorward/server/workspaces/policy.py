"""What may be put into a workspace, beyond what roles say: a value, judged by uploads."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


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

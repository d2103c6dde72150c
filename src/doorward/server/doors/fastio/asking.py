"""What may be asked of a ticket, in Fast.io's words, and what that means here."""

from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from doorward.server.doors.rest.schemas import IdText, MediaType, NameText
from doorward.server.files.model import OnConflict
from doorward.server.problems import Json, RequestInvalid
from doorward.server.uploads.model import OCTETS, NewUpload

LIFE_SECONDS = 900
LIFE_SECONDS_MAX = 86_400
_ROOT = "root"
_SIZE_MAX = 1 << 50
_ERRORS_SHOWN_MAX = 20
_ON_CONFLICT = {None: OnConflict.RENAME, "replace": OnConflict.REPLACE, "fail": OnConflict.ERROR}

Size = Annotated[int, Field(ge=0, le=_SIZE_MAX)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{64}$")]
Short = Annotated[str, StringConstraints(max_length=255)]
Long = Annotated[str, StringConstraints(max_length=4096)]


class TicketIn(BaseModel):
    """A file to come; fields that are not known are refused, so that a typo loosens no bound."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: NameText
    size: Size | None = None
    max_size: Size | None = None
    folder_id: IdText | None = None
    parent: IdText | None = None
    parent_node_id: IdText | None = None
    mimetype: MediaType = OCTETS
    hash: Digest | None = None
    hash_algo: Literal["sha256", "blake3"] | None = None
    expires_in: int = Field(default=LIFE_SECONDS, ge=1, le=LIFE_SECONDS_MAX)
    metadata_title: Short | None = None
    metadata_short: Long | None = None
    overwrite: Literal["replace", "fail"] | None = None
    if_version_id: IdText | None = None
    subject: Short | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if len(self._parents()) > 1:
            raise ValueError("folder_id, parent and parent_node_id name the same folder")
        if self.hash_algo is not None and self.hash is None:
            raise ValueError("hash_algo goes with hash")
        if self.if_version_id is not None and self.overwrite != "replace":
            raise ValueError("if_version_id goes with overwrite=replace")
        return self

    @classmethod
    def of(cls, fields: dict[str, str]) -> Self:
        """Read fields; raises RequestInvalid."""
        try:
            return cls.model_validate(fields)
        except ValidationError as exc:
            shown = [_error(error) for error in exc.errors()[:_ERRORS_SHOWN_MAX]]
        first = shown[0]
        raise RequestInvalid(f"{first['name']}: {first['message']}", errors=[*shown])

    def declared(self) -> NewUpload:
        """Give the declaration as the service takes it."""
        metadata: dict[str, Json] = {"title": self.metadata_title, "short": self.metadata_short}
        parents = self._parents() - {_ROOT}
        return NewUpload(
            name=self.name,
            size=self.size,
            size_max=self.max_size,
            parent_id=next(iter(parents), None),
            content_type=self.mimetype,
            checksum=f"{self.hash_algo or 'sha256'}:{self.hash.lower()}" if self.hash else None,
            metadata={name: value for name, value in metadata.items() if value is not None},
            on_conflict=_ON_CONFLICT[self.overwrite],
            if_version_id=self.if_version_id,
        )

    def _parents(self) -> set[str]:
        named = (self.folder_id, self.parent, self.parent_node_id)
        return {one for one in named if one is not None}


def _error(error: object) -> dict[str, Json]:
    found = dict(error)  # type: ignore[call-overload]
    name = ".".join(str(part)[:80] for part in found["loc"]) or "fields"
    kind = "missing" if found["type"] == "missing" else "invalid"
    return {"name": name, "kind": kind, "message": str(found["msg"])}

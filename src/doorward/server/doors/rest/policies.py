"""A workspace's policy as it goes over the wire."""

from dataclasses import asdict
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from doorward.server.names import NAME_BYTES_MAX
from doorward.server.workspaces.policy import NameSet, Policy

Bound = Annotated[int, Field(ge=0, le=1 << 50)]
# Lower case, so that what is compared has one form; a star only for all subtypes.
TypePattern = Annotated[
    str,
    StringConstraints(
        max_length=255, pattern=r"^([a-z0-9!#$&^_.+-]+/([a-z0-9!#$&^_.+-]+|\*)|\*/\*)$"
    ),
]
Extension = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,32}$")]


class PolicyIn(BaseModel):
    """What may be put into a workspace; what is left out limits nothing."""

    model_config = ConfigDict(extra="forbid")

    max_upload_bytes: Bound | None = None
    max_files: Bound | None = None
    allowed_types: list[TypePattern] = Field(default=[], max_length=64)
    denied_extensions: list[Extension] = Field(default=[], max_length=64)
    names: NameSet = NameSet.ANY
    name_bytes_max: int | None = Field(default=None, ge=1, le=NAME_BYTES_MAX)

    def asked(self) -> Policy:
        """Give the policy as the service takes it."""
        return Policy(
            self.max_upload_bytes,
            self.max_files,
            tuple(self.allowed_types),
            tuple(self.denied_extensions),
            self.names,
            self.name_bytes_max,
        )


class PolicyOut(BaseModel):
    """What may be put into a workspace; null and empty limit nothing."""

    model_config = ConfigDict(frozen=True)

    max_upload_bytes: int | None
    max_files: int | None
    allowed_types: list[str]
    denied_extensions: list[str]
    names: NameSet
    name_bytes_max: int | None

    @classmethod
    def of(cls, policy: Policy) -> "PolicyOut":
        """Present a policy."""
        return cls(**asdict(policy))

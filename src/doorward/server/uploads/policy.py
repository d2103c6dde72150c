"""Whether a file may be put somewhere: judged at its declaration, and by its first bytes.

The operator's policy and the workspace's both count, so neither can widen the other.
"""

from collections.abc import Iterable

from doorward.server.files.admission import check_room
from doorward.server.files.model import OnConflict
from doorward.server.problems import MediaTypeRefused, UploadTooLarge
from doorward.server.uploads.model import NewUpload
from doorward.server.uploads.ports import UploadTx
from doorward.server.uploads.sniffing import (
    EXACT,
    HEAD_BYTES,
    HTML,
    PROGRAM,
    SCRIPT,
    contradiction,
    plain_type,
    sniffed,
)
from doorward.server.workspaces.policy import NO_POLICY, Policy, check_naming

_TELLING = EXACT | {HTML, PROGRAM, SCRIPT}


def check_declared(new: NewUpload, policies: Iterable[Policy]) -> None:
    """Judge a declaration; raises UploadTooLarge, MediaTypeRefused, PolicyRefused."""
    policies = tuple(policies)
    for policy in policies:
        if policy is not NO_POLICY:
            _check_size(new, policy)
            _check_type(plain_type(new.content_type), policy)
    check_naming(new.name, policies, of_file=True)


def check_count(
    tx: UploadTx, workspace_id: str, new: NewUpload, policies: Iterable[Policy]
) -> None:
    """Make sure that there may be one more file beside all declared ones; raises PolicyRefused."""
    if not _replaces(tx, workspace_id, new):
        check_room(tx, workspace_id, policies)


def check_content(new: NewUpload, head: bytes, policies: Iterable[Policy]) -> None:
    """Judge the first bytes of a file; raises MediaTypeRefused."""
    found = contradiction(new.content_type, head)
    if found is not None:
        raise MediaTypeRefused(
            f"The file was declared as {plain_type(new.content_type)}, and its bytes are {found}.",
            sniffed_type=found,
        )
    found = sniffed(head)
    for policy in policies:
        if found in _TELLING:
            _check_type(found or "", policy)


class Inspector:
    """Judges a file as soon as its first bytes are there."""

    def __init__(self, new: NewUpload, policies: Iterable[Policy]) -> None:
        self._new = new
        self._policies = tuple(policies)
        self._head = b""
        self.wanted = HEAD_BYTES if new.size is None else min(HEAD_BYTES, new.size)
        self.has_judged = False

    def waits(self, position: int) -> bool:
        """Say whether the byte at ``position`` is one of the first, still to be seen."""
        return not self.has_judged and position == len(self._head)

    def take(self, chunk: bytes, position: int) -> None:
        """See bytes that begin at ``position``; raises MediaTypeRefused."""
        if not self.waits(position):
            return
        self._head += chunk[: self.wanted - len(self._head)]
        if len(self._head) == self.wanted:
            self.judge(self._head)

    def judge(self, head: bytes) -> None:
        """Judge by the first bytes; raises MediaTypeRefused."""
        check_content(self._new, head, self._policies)
        self.has_judged = True


def _check_size(new: NewUpload, policy: Policy) -> None:
    limit = policy.max_upload_bytes
    if limit is not None and (new.size or 0) > limit:
        raise UploadTooLarge(f"A file here may have at most {limit} bytes.", limit_bytes=limit)


def _check_type(kind: str, policy: Policy) -> None:
    if not policy.allowed_types or any(_matches(kind, one) for one in policy.allowed_types):
        return
    raise MediaTypeRefused(
        f"Files of type {kind} may not be put here; {', '.join(policy.allowed_types)} may.",
        allowed_types=list(policy.allowed_types),
    )


def _matches(kind: str, allowed: str) -> bool:
    if allowed.endswith("/*"):
        return allowed == "*/*" or kind.startswith(allowed[:-1])
    return kind == plain_type(allowed)


def _replaces(tx: UploadTx, workspace_id: str, new: NewUpload) -> bool:
    return (
        new.on_conflict is OnConflict.REPLACE
        and tx.files.child(workspace_id, new.parent_id, new.name) is not None
    )

"""One fact about a workspace."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from doorward.server.problems import Json


class EventType(StrEnum):
    """What can happen, as clients read it; the set grows."""

    FILE_CREATED = "file.created"
    FILE_UPDATED = "file.updated"  # another name, place or content
    FILE_DELETED = "file.deleted"
    FILE_RESTORED = "file.restored"
    FOLDER_CREATED = "folder.created"
    UPLOAD_CREATED = "upload.created"
    UPLOAD_PROGRESS = "upload.progress"
    UPLOAD_COMPLETED = "upload.completed"
    ALERT_RAISED = "alert.raised"
    UPLOAD_ENDED = "upload.ended"  # failed, aborted or expired: without a file
    WORKSPACE_TRANSFERRED = "workspace.transferred"  # handed over, or that undone


@dataclass(frozen=True, slots=True)
class Event:
    """A fact as stored; ``sequence`` orders all of them, and is given by the store."""

    id: str
    workspace_id: str
    type: EventType
    subject_id: str
    time: datetime
    data: dict[str, Json]
    sequence: int | None = None

"""The server's client for Python: ``Doorward``, and ``AsyncDoorward`` for asyncio."""

from doorward.client.aio import AsyncDoorward
from doorward.client.errors import (
    Conflict,
    ConnectionFailed,
    DigestMismatch,
    DoorwardError,
    ImportFailed,
    NotAuthenticated,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerError,
    TooLarge,
)
from doorward.client.handover import Offer, Preview, Transfer
from doorward.client.model import (
    DelegatedToken,
    File,
    Key,
    KeyWithSecret,
    Me,
    Member,
    Page,
    Upload,
    Usage,
    Version,
    Workspace,
)
from doorward.client.sync import Doorward

__all__ = [
    "AsyncDoorward",
    "Conflict",
    "ConnectionFailed",
    "DelegatedToken",
    "DigestMismatch",
    "Doorward",
    "DoorwardError",
    "File",
    "ImportFailed",
    "Key",
    "KeyWithSecret",
    "Me",
    "Member",
    "NotAuthenticated",
    "NotFound",
    "Offer",
    "Page",
    "PermissionDenied",
    "Preview",
    "RateLimited",
    "ServerError",
    "TooLarge",
    "Transfer",
    "Upload",
    "Usage",
    "Version",
    "Workspace",
]

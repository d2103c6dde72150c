"""A folder as a ZIP file that is made while it is sent: stored, not deflated, its size known first.

The standard library writes it, to something that can't be sought in.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from zipfile import ZIP64_LIMIT, ZIP_FILECOUNT_LIMIT, ZIP_STORED, ZipFile, ZipInfo

from doorward.server.doors.transfer.download import Plan
from doorward.server.doors.transfer.headers import SAFE_HEADERS, content_disposition
from doorward.server.files.archiving import Archive, Entry
from doorward.server.uploads.ports import BlobStore

# Of the records that ZIP appnotes 4.3.7 to 4.3.16 describe, without the names in them.
_LOCAL_BYTES, _LOCAL_ZIP64_BYTES, _DESCRIPTOR_BYTES = 30, 20, 24
_CENTRAL_BYTES, _END_BYTES, _END_ZIP64_BYTES = 46, 22, 76
_FIRST_YEAR, _LAST_YEAR = 1980, 2107
_FILE_MODE = 0o644


def plan_archive(archive: Archive) -> Plan:
    """Decide on the head of an archive; it has no ranges, since it is made anew each time."""
    headers = SAFE_HEADERS | {
        "Accept-Ranges": "none",
        "Cache-Control": "private, no-store",
        "Content-Type": "application/zip",
        "Content-Disposition": content_disposition(f"{archive.folder.name}.zip"),
        "Content-Length": str(archive_size(archive.entries)),
    }
    return Plan(200, headers)


def archive_size(entries: list[Entry]) -> int:
    """Say how many bytes the archive will have."""
    offset = central = 0
    for entry in entries:
        name, size = len(entry.path.encode()), entry.content.size if entry.content else 0
        numbers = 2 * (size > ZIP64_LIMIT) + (offset > ZIP64_LIMIT)
        central += _CENTRAL_BYTES + name + (4 + 8 * numbers if numbers else 0)
        offset += _LOCAL_BYTES + name
        if entry.content is not None:
            offset += _LOCAL_ZIP64_BYTES + size + _DESCRIPTOR_BYTES
    is_zip64 = len(entries) > ZIP_FILECOUNT_LIMIT or max(offset, central) > ZIP64_LIMIT
    return offset + central + _END_BYTES + (_END_ZIP64_BYTES if is_zip64 else 0)


async def archive_chunks(blobs: BlobStore, entries: list[Entry]) -> AsyncGenerator[bytes, None]:
    """Give the archive's bytes; raises StorageFailed."""
    made = _Made()
    archive = ZipFile(made, "w", ZIP_STORED, allowZip64=True)  # type: ignore[call-overload]
    for entry in entries:
        info = _info(entry)
        if entry.content is None:
            archive.mkdir(info)
            continue
        content = entry.content
        with archive.open(info, "w", force_zip64=True) as out:
            async with aclosing(blobs.read(content.blob_key, 0, content.size)) as chunks:
                async for chunk in chunks:
                    out.write(chunk)
                    yield made.take()
    archive.close()
    yield made.take()


class _Made:
    """What was made and not sent yet; it offers no more of a file than the library needs."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Take bytes."""
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Have nothing to do."""

    def take(self) -> bytes:
        """Give what was made since."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _info(entry: Entry) -> ZipInfo:
    time = entry.changed_at
    year = min(max(time.year, _FIRST_YEAR), _LAST_YEAR)
    info = ZipInfo(entry.path, (year, time.month, time.day, time.hour, time.minute, time.second))
    info.create_system = 3  # Unix, so that extractors read the mode
    info.CRC = 0
    if entry.content is None:
        info.external_attr = (0o40755 << 16) | 0x10
    else:
        info.external_attr = (0o100000 | _FILE_MODE) << 16
    return info

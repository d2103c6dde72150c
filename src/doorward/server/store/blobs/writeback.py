"""Has the system begin to write out what it holds of a file, so that the sync at the end is short.

Nothing counts as durable by it: what goes wrong is told to whoever syncs.
"""

import ctypes

_BYTES_MIN = 1 << 18
_WRITE = 2  # SYNC_FILE_RANGE_WRITE of sync_file_range(2): no waiting, no error is taken from a sync

_libc = ctypes.CDLL(None)
_sync_file_range = getattr(_libc, "sync_file_range", None)  # of Linux alone
if _sync_file_range is not None:
    _sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


def begin_writing(fd: int, start: int, size: int) -> None:
    """Ask for it, in a thread that may wait for the disk; small pieces are left to the sync."""
    if _sync_file_range is not None and size >= _BYTES_MIN:
        _sync_file_range(fd, start, size, _WRITE)

"""The peers in Python, as their own pages show them; each runs in an environment of its own.

Nothing of Doorward is imported here, and a peer only by the one who is to serve it.
"""

import os
from pathlib import Path

FOLDER = Path(os.environ["BENCH_FOLDER"])


def tuspyserver() -> object:
    from fastapi import FastAPI
    from tuspyserver import create_tus_router

    app = FastAPI()
    app.include_router(create_tus_router(prefix="files", files_dir=str(FOLDER)))
    return app


def tussi() -> object:
    """Serve as it comes: every piece is synced before it is acknowledged."""
    return _tussi(fsync=True)


def tussi_without_sync() -> object:
    return _tussi(fsync=False)


def _tussi(*, fsync: bool) -> object:
    from tussi import FilesystemStorage, TUSApp

    completed = FOLDER / "completed"
    completed.mkdir(exist_ok=True)
    storage = FilesystemStorage(FOLDER / "uploads", fsync=fsync)
    return TUSApp(storage=storage, completed_dir=completed)

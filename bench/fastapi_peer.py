"""The peer: files in and out as FastAPI's tutorial shows it."""

import os
from pathlib import Path

from fastapi import FastAPI, UploadFile
from fastapi.responses import FileResponse

FOLDER = Path(os.environ["BENCH_FOLDER"])
app = FastAPI()


@app.post("/upload")
async def upload(file: UploadFile, name: str) -> dict[str, int]:
    size = 0
    with (FOLDER / name).open("wb") as out:
        while chunk := await file.read(1 << 20):
            size += out.write(chunk)
    return {"size": size}


@app.get("/download")
def download(name: str) -> FileResponse:
    return FileResponse(FOLDER / name)

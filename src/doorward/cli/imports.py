"""Files that the server fetches from elsewhere, followed until they are there."""

from functools import partial
from pathlib import Path

from doorward.cli.paths import RemotePath, ensure_folder, find_workspace
from doorward.cli.transfer import Report, Shown, Work, run_all, target_of
from doorward.client.aio import AsyncDoorward

_JOBS_MAX = 4  # as many as a server fetches for one person at once


def is_url(source: str) -> bool:
    """Say whether a source is to be fetched by the server."""
    return source.lower().startswith(("http://", "https://"))


async def import_all(
    server: AsyncDoorward, urls: list[str], to: RemotePath, on_conflict: str, jobs: int
) -> Report:
    """Have URLs fetched; raises NotAuthenticated and what concerns all of them."""
    report = Report()
    workspace_id = (await find_workspace(server, to.workspace)).id
    parts, name = await target_of(server, workspace_id, [Path(url) for url in urls], to)
    parent_id = await ensure_folder(server, workspace_id, parts)

    async def fetch(url: str, shown: Shown) -> None:
        upload = await server.start_import(
            workspace_id, url, name=name, parent_id=parent_id, on_conflict=on_conflict
        )
        shown.expect(upload.size or 0)
        file = await server.follow_import(upload, progress=shown)
        report.done.append(file)
        report.moved_bytes += file.size or 0

    work: list[Work] = [(url, partial(fetch, url)) for url in urls]
    await run_all(work, min(jobs, _JOBS_MAX), 0, "Importing", report)
    return report

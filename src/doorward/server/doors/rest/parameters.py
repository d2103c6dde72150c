"""Parameters that several operations take."""

from typing import Annotated

from fastapi import Path, Query

from doorward.server.paging import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX

WorkspaceId = Annotated[str, Path(max_length=80, description="`ws_…`")]
FileId = Annotated[str, Path(max_length=80, description="`file_…`")]
UploadId = Annotated[str, Path(max_length=80, description="`up_…`")]
LinkId = Annotated[str, Path(max_length=80, description="`link_…`")]
TransferId = Annotated[str, Path(max_length=80, description="`tr_…`")]
ClaimToken = Annotated[str, Path(max_length=80, description="`dwt_…`, from the claim link")]
MemberId = Annotated[str, Path(max_length=80, description="`user_…`")]
Limit = Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX, description="Rows a page.")]
Cursor = Annotated[str | None, Query(max_length=2048, description="From `next_cursor`.")]

LIMIT_DEFAULT = PAGE_SIZE_DEFAULT

import pytest

from doorward.server.doors.context import shown_path

TOKEN = "dwt_" + "abcdefgh" * 6 + "2345"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"/api/v1/transfers/{TOKEN}", "/api/v1/transfers/dwt_abc…"),
        (f"/api/v1/transfers/{TOKEN}/claim", "/api/v1/transfers/dwt_abc…/claim"),
        (f"/api/v1//transfers//{TOKEN}/claim", "/api/v1//transfers//dwt_abc…/claim"),
        (f"/api/v1/transfers/{TOKEN}/{TOKEN}", "/api/v1/transfers/dwt_abc…"),
        ("/api/v1/transfers/another-secret", "/api/v1/transfers/another…"),
        (f"/claim/{TOKEN.upper()}", "/claim/DWT_ABC…"),
        ("/api/v1/transfers/a\nsecret/claim", "/api/v1/transfers/a\nsecre…/claim"),
        ("/api/v1/workspaces/ws_1/transfers/tr_12345678", None),
        ("/api/v1/files/file_12345678", None),
    ],
)
def test_of_a_claim_token_in_a_path_seven_characters_are_shown(path, shown):
    assert shown_path({"path": path}) == (shown or path)

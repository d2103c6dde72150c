import json
import sqlite3
from contextlib import closing

from doorward.server.doors.knocks import ONE_BY_ONE_MAX


def refusals(house) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(house.data / "doorward.db")) as database:
        rows = database.execute("SELECT reason, details FROM audit WHERE action = 'door:enter'")
        return rows.fetchall()


def test_few_refusals_at_the_door_are_written_one_by_one_with_what_was_asked(house):
    house.client.get("/api/v1/me")
    house.client.get("/api/v1/files/file_x", headers={"Authorization": "Bearer garbage"})

    rows = refusals(house)

    assert [reason for reason, _ in rows] == ["session-token-and-uat-missing", "token-invalid"]
    assert "/api/v1/files/file_x" in rows[1][1]
    assert "garbage" not in str(rows)


def test_a_flood_of_refusals_is_counted_whole_and_does_not_fill_the_disk(house):
    for _ in range(ONE_BY_ONE_MAX + 200):
        assert house.client.get("/api/v1/me").status_code == 401
    house.client.__exit__(None, None, None)  # a stop writes what is held

    rows = refusals(house)
    house.client.__enter__()

    counted = [json.loads(details).get("repeated", 1) for _, details in rows]
    assert sum(counted) == ONE_BY_ONE_MAX + 200
    assert len(rows) < ONE_BY_ONE_MAX + 200

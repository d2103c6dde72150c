"""What SQLite refuses, as the log tells it."""

import sqlite3


def test_a_row_that_can_not_be_stored_does_not_show_itself_in_the_log(alice, house, caplog):
    file = alice.upload(alice.home(), "a.txt", b"content")
    with sqlite3.connect(house.data / "doorward.db") as database:
        database.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON links BEGIN SELECT RAISE(ABORT, 'broken'); END"
        )

    answer = alice.post(f"files/{file['id']}/link", expires_in=60, password="hush hush")

    assert answer.status_code == 500, answer.text
    assert "broken" in caplog.text
    assert "scrypt:" not in caplog.text

"""An offset that was told never goes back, whatever moment the server is killed at."""

import os
import random
import threading
from dataclasses import dataclass, field
from hashlib import sha256

import httpx2
import pytest

from acceptance.cutting import Site

KILLS = int(os.environ.get("DOORWARD_TEST_KILLS", "20"))
SENDERS = 3
SIZE_MAX = 3 << 20
TUS = {"Tus-Resumable": "1.0.0"}


@dataclass
class Sending:
    """One upload: what is to be sent, and how much of it the server said that it has."""

    name: str
    content: bytes
    url: str | None = None
    told: int = 0
    done: bool = False


@dataclass
class Senders:
    """Uploads in turn by several threads, with all that the server said of them."""

    site: Site
    random: random.Random
    lock: threading.Lock = field(default_factory=threading.Lock)
    all: list[Sending] = field(default_factory=list)
    stopped: bool = False

    def draw(self, most: int) -> int:
        with self.lock:
            return self.random.randrange(most)

    def next(self) -> Sending:
        with self.lock:
            content = self.random.randbytes(self.random.randrange(SIZE_MAX))
            one = Sending(f"{len(self.all)}.bin", content)
            self.all.append(one)
            return one

    def send_until_killed(self, one: Sending | None) -> None:
        """Go on with an upload, then with others, until the connection is gone."""
        with httpx2.Client(timeout=60) as http:
            try:
                while not self.stopped:
                    one = one if one is not None and not one.done else self.next()
                    self.send(http, one)
            except httpx2.TransportError:
                return

    def send(self, http: httpx2.Client, one: Sending) -> None:
        if one.url is None:
            self.create(http, one)
        self.ask(http, one)
        while not one.done and not self.stopped:
            step = (self.in_tus, self.in_draft, self.ask, self.whole)[self.draw(8) % 7 % 4]
            step(http, one)

    def create(self, http: httpx2.Client, one: Sending) -> None:
        headers = TUS | {
            "Authorization": f"Bearer {self.site.token}",
            "Upload-Length": str(len(one.content)),
        }
        made = http.post(f"{self.site.endpoint}?name={one.name}", headers=headers)
        assert made.status_code == 201, made.text
        one.url = made.headers["location"]
        self.hear(one, made)

    def ask(self, http: httpx2.Client, one: Sending) -> None:
        answer = http.head(one.url, headers=TUS)
        assert answer.status_code == 200, answer.headers
        offset = int(answer.headers["upload-offset"])
        assert offset >= one.told
        one.told = offset
        one.done = "content-location" in answer.headers

    def in_tus(self, http: httpx2.Client, one: Sending) -> None:
        headers = TUS | {"Content-Type": "application/offset+octet-stream"}
        self.append(http, one, headers, self.chunk(one))

    def in_draft(self, http: httpx2.Client, one: Sending) -> None:
        chunk = self.chunk(one)
        last = one.told + len(chunk) == len(one.content)
        headers = {"Content-Type": "application/partial-upload"}
        self.append(http, one, headers | {"Upload-Complete": "?1" if last else "?0"}, chunk)

    def append(self, http: httpx2.Client, one: Sending, headers: dict, chunk: bytes) -> None:
        answer = http.patch(
            one.url,
            content=iter([chunk[:70_000], chunk[70_000:]]),
            headers=headers | {"Upload-Offset": str(one.told)},
        )
        assert answer.status_code in {201, 204}, answer.text
        self.hear(one, answer, one.told + len(chunk))

    def whole(self, http: httpx2.Client, one: Sending) -> None:
        answer = http.put(one.url, content=one.content)
        assert answer.status_code == 201, answer.text
        one.told, one.done = len(one.content), True

    def chunk(self, one: Sending) -> bytes:
        return one.content[one.told : one.told + 1 + self.draw(500_000)]

    def hear(self, one: Sending, answer: httpx2.Response, expected: int = 0) -> None:
        if "upload-offset" in answer.headers:
            assert int(answer.headers["upload-offset"]) == expected
        one.told = expected
        one.done = answer.status_code == 201 and one.url is not None and expected > 0
        one.done = one.done or "content-location" in answer.headers


def visible(site: Site) -> dict[str, dict]:
    rows, cursor = {}, {}
    while cursor is not None:
        path = f"workspaces/{site.workspace}/files"
        page = site.call("GET", path, params={"limit": 500} | cursor).json()
        rows |= {row["name"]: row for row in page["data"]}
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
    return rows


def check(site: Site, senders: Senders) -> None:
    """What is visible is whole; what was told to be done is visible; no offset went back."""
    rows = visible(site)
    for one in senders.all:
        row = rows.pop(one.name, None)
        assert row is not None or not one.done
        if row is not None:
            assert row["size"] == len(one.content)
            one.done = True
        elif one.url is not None:
            answer = httpx2.head(one.url, timeout=60)
            assert int(answer.headers["upload-offset"]) >= one.told
    assert rows == {}


@pytest.mark.timeout(1800)
def test_no_offset_goes_back_and_nothing_partial_is_seen_after_any_kill(tmp_path):
    with Site(tmp_path / "data", 1, least=1 << 60, most=1 << 60) as site:
        senders = Senders(site, random.Random(20261125))
        for _ in range(KILLS):
            unfinished = [one for one in senders.all if not one.done and one.url][:SENDERS]
            unfinished += [None] * (SENDERS - len(unfinished))
            threads = [
                threading.Thread(target=senders.send_until_killed, args=[one]) for one in unfinished
            ]
            for thread in threads:
                thread.start()
            # The moment is drawn; what has passed by then is up to the machine.
            threading.Event().wait(senders.draw(300) / 1000)
            site.restart()
            for thread in threads:
                thread.join()
            check(site, senders)
            assert site.leftovers() == set()

        for one in senders.all:
            if one.url is not None and not one.done:
                with httpx2.Client(timeout=60) as http:
                    senders.send(http, one)
        check(site, senders)
        for name, row in visible(site).items():
            one = next(one for one in senders.all if one.name == name)
            assert sha256(site.content(row["id"])).digest() == sha256(one.content).digest()
        site.restart()
        assert site.leftovers() == set()
        assert sum(one.done for one in senders.all) > KILLS / 5

"""Whatever comes in whichever order, the file is what was sent and no offset goes back."""

import asyncio
from base64 import b64encode
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TUS = {"Tus-Resumable": "1.0.0"}
BYTES = TUS | {"Content-Type": "application/offset+octet-stream"}
DRAFT = {"Content-Type": "application/partial-upload"}
SIZES = st.sampled_from([1, 10, 70_000, (1 << 20) - 1, (1 << 20) + 1, 5 << 19])


@dataclass
class Upload:
    """An upload, and what may be believed of it after all that happened."""

    house: object
    url: str
    content: bytes
    told: int = 0
    done: bool = False
    log: list = field(default_factory=list)

    def ask(self, *_: int) -> None:
        answer = self.house.client.head(self.url, headers=TUS)
        offset = int(answer.headers["upload-offset"])
        assert answer.status_code == 200
        assert self.told <= offset <= len(self.content)
        self.told, self.done = offset, "content-location" in answer.headers

    def patch_in_tus(self, size: int) -> None:
        self._heard(self._patch(BYTES, self._next(size)), size)

    def patch_in_draft(self, size: int) -> None:
        last = self.told + len(self._next(size)) == len(self.content)
        complete = {"Upload-Complete": "?1" if last else "?0"}
        self._heard(self._patch(DRAFT | complete, self._next(size)), size)

    def patch_elsewhere(self, size: int) -> None:
        answer = self._patch(BYTES, b"x", offset=self.told + size)
        assert answer.status_code in {409, 410}, answer.text

    def patch_with_a_wrong_checksum(self, size: int) -> None:
        checksum = {"Upload-Checksum": f"md5 {b64encode(b'0' * 16).decode()}"}
        answer = self._patch(BYTES | checksum, self._next(size))
        assert answer.status_code in {410, 460}, answer.text

    def put(self, *_: int) -> None:
        answer = self.house.client.put(self.url, content=self.content)
        assert answer.status_code == (410 if self.done else 201), answer.text
        self.told, self.done = len(self.content), True

    def cut_a_patch(self, size: int) -> None:
        self._cut("PATCH", self._next(size), BYTES | {"Upload-Offset": str(self.told)})
        self.ask()

    def cut_a_put(self, size: int) -> None:
        self._cut("PUT", self.content[: min(size, len(self.content) - 1)], {})
        self.ask()

    def take_over(self, size: int) -> None:
        """A request that seems to go on is asked to let go by the one that comes after it."""
        first = self._next(size)
        headers = BYTES | {"Upload-Offset": str(self.told)}
        messages = [{"type": "http.request", "body": first, "more_body": True}]

        async def receive():
            if messages:
                return messages.pop()
            await asyncio.to_thread(self.ask)
            return {"type": "http.disconnect"}

        self._drive("PATCH", headers, receive)
        self.ask()

    def _next(self, size: int) -> bytes:
        return self.content[self.told : self.told + size]

    def _patch(self, headers: dict, content: bytes, offset: int | None = None):
        offset = self.told if offset is None else offset
        given = headers | {"Upload-Offset": str(offset)}
        return self.house.client.patch(self.url, content=content, headers=given)

    def _heard(self, answer, size: int) -> None:
        if self.done:
            assert answer.status_code == 410, answer.text
            return
        assert answer.status_code in {201, 204}, answer.text
        self.told += len(self._next(size))
        self.done = self.told == len(self.content)

    def _cut(self, method: str, first: bytes, headers: dict) -> None:
        messages = [
            {"type": "http.disconnect"},
            {"type": "http.request", "body": first, "more_body": True},
        ]

        async def receive():
            return messages.pop() if len(messages) > 1 else messages[0]

        self._drive(method, headers, receive)

    def _drive(self, method: str, headers: dict, receive) -> None:
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        answer = asyncio.run(self.house._drive(method, self.url, receive, raw))
        assert answer.status_code >= 400 or self.told == len(self.content), answer.status_code


STEPS = st.sampled_from(
    [
        Upload.ask,
        Upload.patch_in_tus,
        Upload.patch_in_draft,
        Upload.patch_elsewhere,
        Upload.patch_with_a_wrong_checksum,
        Upload.put,
        Upload.cut_a_patch,
        Upload.cut_a_put,
        Upload.take_over,
    ]
)


@pytest.mark.timeout(900)
@given(size=SIZES, steps=st.lists(st.tuples(STEPS, SIZES), max_size=12))
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_sequence_leaves_what_was_sent_and_no_offset_goes_back(alice, house, size, steps):
    home = alice.home()
    content = bytes(range(251)) * (size // 251 + 1)
    content = content[:size]
    declared = alice.declare(home, "a.bin", size).json()
    upload = Upload(house, declared["url"], content)

    for step, drawn in steps:
        step(upload, drawn)
    if not upload.done:
        upload.ask()
        upload.put()

    done = alice.get(f"uploads/{declared['id']}").json()
    assert alice.get(f"files/{done['file']['id']}/content").content == content

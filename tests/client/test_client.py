"""The client against answers of every kind, and against a real server through a bad network."""

import asyncio
import inspect

import httpx2
import pytest

import doorward.client as public
from cutting import CuttingProxy
from doorward.client import (
    AsyncDoorward,
    Conflict,
    ConnectionFailed,
    DigestMismatch,
    Doorward,
    DoorwardError,
    ImportFailed,
    NotAuthenticated,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerError,
    TooLarge,
)
from doorward.client.errors import error_of
from doorward.client.retry import RetryPolicy
from origins import Origin, page
from support import ServerProcess

ME = {"user_id": "user_1", "credential": {"type": "session"}, "scopes": []}
FILE = {
    "id": "file_1",
    "workspace_id": "ws_1",
    "name": "a",
    "kind": "file",
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
}


UPLOAD = {
    "id": "up_1",
    "workspace_id": "ws_1",
    "name": "a",
    "size": 3,
    "status": "pending",
    "received_bytes": 0,
    "expires_at": "2026-01-01T00:00:00Z",
}


class Answers:
    """A server that answers from a list and remembers what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.waits = []

    def __call__(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, token="your_token_here"):  # noqa: S107
        return Doorward(
            "https://files.example.com",
            token,
            transport=httpx2.MockTransport(self),
            sleep=self.waits.append,
            retry=RetryPolicy(draw=lambda: 1.0),
        )


def problem(status, code="some_code", **headers):
    body = {"code": code, "detail": "Because.", "status": status, "request_id": "req_1"}
    return httpx2.Response(status, json=body, headers=headers)


def test_both_clients_do_the_same_under_the_same_names():
    def methods(kind):
        return {
            name: list(inspect.signature(member).parameters)
            for name, member in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_")
        }

    assert methods(Doorward) == methods(AsyncDoorward)
    assert set(public.__all__) >= {"Doorward", "AsyncDoorward", "DoorwardError"}


def test_later_is_tried_later_and_then_works():
    answers = Answers(
        problem(503, **{"Retry-After": "3"}), problem(429), httpx2.Response(200, json=ME)
    )

    assert answers.client().me().user_id == "user_1"
    assert answers.waits == [3.25, 1.0]


@pytest.mark.parametrize(("status", "kind"), [(401, NotAuthenticated), (403, PermissionDenied)])
def test_no_is_not_asked_again(status, kind):
    answers = Answers(problem(status))

    with pytest.raises(kind) as refusal:
        answers.client().me()

    assert len(answers.requests) == 1
    assert (refusal.value.code, refusal.value.request_id) == ("some_code", "req_1")
    assert not refusal.value.retryable


def test_it_gives_up_in_the_end_and_says_what_the_last_answer_was():
    answers = Answers(problem(429))

    with pytest.raises(RateLimited) as refusal:
        answers.client().me()

    assert len(answers.requests) == 5
    assert refusal.value.retryable


def test_a_broken_connection_is_tried_again_for_reading_and_not_for_creating():
    broken = Answers(httpx2.ConnectError("refused"), httpx2.Response(200, json=ME))
    assert broken.client().me().user_id == "user_1"

    creating = Answers(httpx2.ReadError("reset"))
    with pytest.raises(ConnectionFailed):
        creating.client().create_workspace("x")
    assert len(creating.requests) == 1


def test_the_credential_goes_to_its_server_and_nowhere_else(tmp_path):
    upload = {
        "id": "up_1",
        "workspace_id": "ws_1",
        "name": "a",
        "size": 1,
        "status": "pending",
        "received_bytes": 0,
        "expires_at": "2026-01-01T00:00:00Z",
        "url": "https://elsewhere.example.com/put",
    }
    (tmp_path / "a").write_bytes(b"1")
    from blake3 import blake3

    stored = FILE | {"size": 1, "digest": f"blake3:{blake3(b'1').hexdigest()}"}
    answers = Answers(httpx2.Response(201, json=upload), httpx2.Response(201, json=stored))

    answers.client().upload_file(tmp_path / "a", "ws_1")

    declared, sent = answers.requests
    assert declared.headers["authorization"] == "Bearer your_token_here"
    assert sent.url.host == "elsewhere.example.com"
    assert "authorization" not in sent.headers
    assert "your_token_here" not in repr(answers.client())


def test_a_redirect_is_not_followed_with_the_credential():
    answers = Answers(httpx2.Response(302, headers={"Location": "https://evil.example/"}))

    with pytest.raises(DoorwardError):
        answers.client().me()

    assert len(answers.requests) == 1


def test_a_token_may_be_asked_for_at_each_request():
    tokens = iter(["first", "second"])
    answers = Answers(httpx2.Response(200, json=ME))
    client = answers.client(lambda: next(tokens))
    client.me()
    client.me()

    assert [r.headers["authorization"] for r in answers.requests] == [
        "Bearer first",
        "Bearer second",
    ]


def test_asyncio_may_give_the_token_by_waiting():
    answers = Answers(httpx2.Response(200, json=ME))

    async def token():
        return "waited"

    async def ask():
        async with AsyncDoorward(
            "https://files.example.com", token, transport=httpx2.MockTransport(answers)
        ) as server:
            return await server.me()

    assert asyncio.run(ask()).user_id == "user_1"
    assert answers.requests[0].headers["authorization"] == "Bearer waited"


def test_the_environment_names_server_and_credential(monkeypatch, tmp_path):
    monkeypatch.setenv("DOORWARD_URL", "https://other.example.com/")
    (tmp_path / "token").write_text("from_file\n")
    monkeypatch.setenv("DOORWARD_TOKEN_FILE", str(tmp_path / "token"))
    answers = Answers(httpx2.Response(200, json=ME))

    with Doorward(transport=httpx2.MockTransport(answers)) as client:
        client.me()

    assert str(answers.requests[0].url) == "https://other.example.com/api/v1/me"
    assert answers.requests[0].headers["authorization"] == "Bearer from_file"
    monkeypatch.setenv("DOORWARD_TOKEN_FILE", str(tmp_path / "missing"))
    with pytest.raises(DoorwardError, match="can't be read"):
        Doorward()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"[" * 9999, b'{"detail": 5}'])
def test_an_answer_that_is_no_problem_is_still_an_error_to_read(body):
    error = error_of(502, body)

    assert isinstance(error, ServerError)
    assert error.code == "http_502"


def test_an_answer_of_another_form_is_told_in_a_sentence():
    with pytest.raises(ServerError, match="Is the address right"):
        Answers(httpx2.Response(200, content=b"<html>")).client().me()


def test_an_id_can_not_lead_to_another_path():
    answers = Answers(httpx2.Response(200, json=FILE))

    answers.client().file("../../me?x=/")

    assert answers.requests[0].url.raw_path == b"/api/v1/files/..%2F..%2Fme%3Fx%3D%2F"


def test_bytes_that_were_stored_otherwise_are_noticed(tmp_path):
    upload = {
        "id": "up_1",
        "workspace_id": "ws_1",
        "name": "a",
        "size": 1,
        "status": "pending",
        "received_bytes": 0,
        "expires_at": "2026-01-01T00:00:00Z",
        "url": "https://files.example.com/put",
    }
    (tmp_path / "a").write_bytes(b"1")
    answers = Answers(
        httpx2.Response(201, json=upload),
        httpx2.Response(201, json=FILE | {"size": 1, "digest": "blake3:00"}),
    )

    with pytest.raises(DigestMismatch):
        answers.client().upload_file(tmp_path / "a", "ws_1")


@pytest.fixture
def server(tmp_path):
    with ServerProcess(tmp_path / "data") as server:
        yield server


def home_of(client):
    return next(one.id for one in client.workspaces() if one.home)


def test_an_upload_that_is_cut_goes_on_where_it_was_and_arrives_whole(server, tmp_path):
    content = bytes(range(256)) * 20_000
    (tmp_path / "big").write_bytes(content)
    proxy = CuttingProxy(int(server.url.rpartition(":")[2]), [], downwards=False)
    moved, begun = [], []

    def until_the_server_noticed(_):
        for _ in range(2000):
            if client.upload(begun[0]).status == "pending":
                return

    with Doorward(server.url, server.token("alice"), sleep=until_the_server_noticed) as client:
        home = home_of(client)
        original = client.declare_upload

        def through_proxy(*args, **kwargs):
            made = original(*args, **kwargs)
            begun.append(made.id)
            proxy.cuts[:] = [100_000, 2_000_000]
            port = int(server.url.rpartition(":")[2])
            import msgspec

            return msgspec.structs.replace(made, url=made.url.replace(f":{port}", f":{proxy.port}"))

        client.declare_upload = through_proxy
        file = client.upload_file(tmp_path / "big", home, progress=moved.append)
        assert sum(moved) == len(content)
        back = client.download_file(file, tmp_path / "back")
    proxy.listener.close()

    assert proxy.passed < len(content) + 200_000  # every byte once, and some heads
    assert proxy.cuts == []
    assert back.read_bytes() == content


def test_a_download_that_is_cut_goes_on_where_it_was(server, tmp_path):
    content = bytes(range(256)) * 20_000
    (tmp_path / "big").write_bytes(content)
    with Doorward(server.url, server.token("alice")) as client:
        file = client.upload_file(tmp_path / "big", home_of(client))
    proxy = CuttingProxy(int(server.url.rpartition(":")[2]), [3_000_000, 1_500_000], downwards=True)
    moved = []
    with Doorward(
        f"http://127.0.0.1:{proxy.port}", server.token("alice"), sleep=lambda _: None
    ) as client:
        back = client.download_file(file, tmp_path / "back", progress=moved.append)
    proxy.listener.close()

    assert back.read_bytes() == content
    assert proxy.cuts == []
    assert not (tmp_path / "back.part").exists()
    assert sum(moved) == len(content)
    assert all(step > 0 for step in moved)


def test_what_was_kept_of_another_content_is_not_mixed_in(server, tmp_path):
    (tmp_path / "a").write_bytes(b"right" * 1000)
    (tmp_path / "back.part").write_bytes(b"wrong" * 500)
    with Doorward(server.url, server.token("alice")) as client:
        file = client.upload_file(tmp_path / "a", home_of(client))
        with pytest.raises(DigestMismatch):
            client.download_file(file, tmp_path / "back")
        assert not (tmp_path / "back").exists()
        back = client.download_file(file, tmp_path / "back")

    assert back.read_bytes() == b"right" * 1000


def test_asyncio_moves_files_too(server, tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)

    async def there_and_back():
        async with AsyncDoorward(server.url, server.token("alice")) as client:
            home = next([one.id async for one in client.workspaces() if one.home].__iter__())
            folder = await client.create_folder(home, "docs")
            file = await client.upload_file(tmp_path / "a", home, parent_id=folder.id)
            assert [f.name async for f in client.files(home, folder.id)] == ["a"]
            moved = await client.move_file(file.id, name="b")
            return await client.download_file(moved, tmp_path / "back")

    assert asyncio.run(there_and_back()).read_bytes() == b"x" * 3_000_000


def test_asyncio_goes_on_with_a_cut_upload_where_it_was(server, tmp_path):
    content = bytes(range(256)) * 20_000
    (tmp_path / "big").write_bytes(content)
    port = int(server.url.rpartition(":")[2])
    proxy = CuttingProxy(port, [1_000_000, None, 3_000_000], downwards=False)
    moved = []

    async def send():
        async def at_once(_):
            pass

        async with AsyncDoorward(server.url, server.token("alice"), sleep=at_once) as client:
            home = next([one.id async for one in client.workspaces() if one.home].__iter__())
            original = client.declare_upload

            async def through_proxy(*args, **kwargs):
                made = await original(*args, **kwargs)
                import msgspec

                url = made.url.replace(f":{port}", f":{proxy.port}")
                return msgspec.structs.replace(made, url=url)

            client.declare_upload = through_proxy
            return await client.upload_file(tmp_path / "big", home, progress=moved.append)

    file = asyncio.run(send())
    proxy.listener.close()

    assert file.size == sum(moved) == len(content)
    assert sum(size for size in moved if size > 0) < 2 * len(content)


def test_an_upload_whose_answer_was_lost_is_not_sent_again(server, tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    port = int(server.url.rpartition(":")[2])
    proxy = CuttingProxy(port, [1], downwards=True)
    moved = []
    with Doorward(server.url, server.token("alice"), sleep=lambda _: None) as client:
        home = home_of(client)
        original = client.declare_upload

        def through_proxy(*args, **kwargs):
            made = original(*args, **kwargs)
            import msgspec

            return msgspec.structs.replace(made, url=made.url.replace(f":{port}", f":{proxy.port}"))

        client.declare_upload = through_proxy
        file = client.upload_file(tmp_path / "a", home, progress=moved.append)
        assert [one.id for one in client.files(home)] == [file.id]
    proxy.listener.close()

    assert sum(size for size in moved if size > 0) == 3_000_000


def test_links_are_made_read_narrowed_and_killed(server, tmp_path):
    path = tmp_path / "plan.txt"
    path.write_text("plan")
    with Doorward(server.url, server.token("alice")) as client:
        home = next(one.id for one in client.workspaces() if one.home)
        file = client.upload_file(path, home)
        made = client.link(file.id, uses=3, password="open sesame")

        assert httpx2.get(made.url).status_code == 403
        answer = httpx2.get(made.url, headers={"Doorward-Link-Password": "open sesame"})
        assert answer.text == "plan"
        link = client.read_link(made.id)
        assert (link.uses, link.limits.uses, link.password, link.live) == (1, 3, True, True)
        assert client.narrow_link(made.id, uses=2).limits.uses == 2
        assert made.id in [one.id for one in client.links(workspace=home, live=True)]
        client.kill_link(made.id)
        assert made.id not in [one.id for one in client.links(resource=file.id, live=True)]


def test_asyncio_makes_links_too(server, tmp_path):
    path = tmp_path / "plan.txt"
    path.write_text("plan")

    async def made_and_killed():
        async with AsyncDoorward(server.url, server.token("alice")) as client:
            homes = [one.id async for one in client.workspaces() if one.home]
            file = await client.upload_file(path, homes[0])
            made = await client.link(file.id, expires_in=60)
            found = [one.id async for one in client.links(resource=file.id)]
            await client.kill_link(made.id)
            return made.id in found, (await client.read_link(made.id)).live

    assert asyncio.run(made_and_killed()) == (True, False)


def test_everything_else_the_client_does_works_against_a_server(server, tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    with Doorward(server.url, server.token("alice")) as client:
        made = client.create_workspace("Plans")
        assert client.rename_workspace(made.id, "Plans 2").name == "Plans 2"
        assert client.workspace(made.id).role == "owner"
        assert client.add_member(made.id, "user_bob", "viewer").role == "viewer"
        assert [m.user_id for m in client.members(made.id)] == ["user_alice", "user_bob"]
        client.remove_member(made.id, "user_bob")
        file = client.upload_file(tmp_path / "a", made.id)
        assert client.child(made.id, None, "a") == client.file(file.id)
        assert client.child(made.id, None, "b") is None
        assert [v.number for v in client.versions(file.id)] == [1]
        client.delete_file(file.id)
        assert client.restore_file(file.id).name == "a"
        upload = client.declare_upload(made.id, name="x", size=1)
        assert client.upload(upload.id).status == "pending"
        client.abort_upload(upload.id)
        client.delete_workspace(made.id)
        with pytest.raises(DoorwardError):
            client.workspace(made.id)


def ask_and_wait(answers):
    """Ask with the client that waits."""
    return answers.client().me()


def ask_with_asyncio(answers):
    """Ask the same with the other."""

    async def no_wait(_):
        pass

    async def ask():
        async with AsyncDoorward(
            "https://files.example.com",
            "your_token_here",
            transport=httpx2.MockTransport(answers),
            sleep=no_wait,
        ) as server:
            return await server.me()

    return asyncio.run(ask())


either = pytest.mark.parametrize("ask", [ask_and_wait, ask_with_asyncio])


@either
@pytest.mark.parametrize(
    ("status", "kind", "tries"),
    [
        (400, DoorwardError, 1),
        (401, NotAuthenticated, 1),
        (403, PermissionDenied, 1),
        (404, NotFound, 1),
        (409, Conflict, 1),
        (410, NotFound, 1),
        (413, TooLarge, 1),
        (422, DoorwardError, 1),
        (429, RateLimited, 5),
        (500, ServerError, 1),
        (502, ServerError, 1),
        (503, ServerError, 5),
        (507, TooLarge, 1),
    ],
)
def test_every_problem_becomes_the_error_of_its_kind(ask, status, kind, tries):
    answers = Answers(problem(status))

    with pytest.raises(DoorwardError) as refusal:
        ask(answers)

    error = refusal.value
    assert type(error) is kind
    assert (error.status, error.code, error.detail) == (status, "some_code", "Because.")
    assert error.request_id == "req_1"
    assert error.retryable is (tries > 1)
    assert len(answers.requests) == tries


@either
def test_no_error_shows_the_credential(ask):
    for answer in (problem(401), httpx2.ConnectError("refused"), httpx2.Response(200)):
        with pytest.raises(DoorwardError) as refusal:
            ask(Answers(answer))
        assert "your_token_here" not in f"{refusal.value!r} {refusal.value}"


@either
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["https://evil.example/", "http://files.example.com/api/v1/me"])
def test_no_redirect_leads_the_credential_to_another_origin(ask, status, place):
    answers = Answers(httpx2.Response(status, headers={"Location": place}))

    with pytest.raises(DoorwardError):
        ask(answers)

    assert [str(request.url) for request in answers.requests] == [
        "https://files.example.com/api/v1/me"
    ]


@either
def test_either_client_presents_its_credential_to_its_server(ask):
    answers = Answers(httpx2.Response(200, json=ME))

    assert ask(answers).user_id == "user_1"
    assert answers.requests[0].headers["authorization"] == "Bearer your_token_here"


def test_asyncio_sends_no_credential_to_an_upload_url_either(tmp_path):
    from blake3 import blake3

    (tmp_path / "a").write_bytes(b"1")
    upload = {
        "id": "up_1",
        "workspace_id": "ws_1",
        "name": "a",
        "size": 1,
        "status": "pending",
        "received_bytes": 0,
        "expires_at": "2026-01-01T00:00:00Z",
        "url": "https://files.example.com/put",
    }
    stored = FILE | {"size": 1, "digest": f"blake3:{blake3(b'1').hexdigest()}"}
    requests = []

    async def answer(request):
        await request.aread()
        requests.append(request)
        return httpx2.Response(201, json=stored if request.method == "PUT" else upload)

    async def send():
        async with AsyncDoorward(
            "https://files.example.com",
            "your_token_here",
            transport=httpx2.MockTransport(answer),
        ) as server:
            return await server.upload_file(tmp_path / "a", "ws_1")

    assert asyncio.run(send()).size == 1
    declared, sent = requests
    assert declared.headers["authorization"] == "Bearer your_token_here"
    assert "authorization" not in sent.headers
    assert sent.content == b"1"


def test_both_clients_import_a_url_and_tell_how_far_it_is(tmp_path):
    moved = []
    with (
        Origin({"/a.txt": page(b"from elsewhere")}) as origin,
        ServerProcess(tmp_path / "data", DOORWARD_OUTBOUND_ALLOW="127.0.0.0/8") as server,
        Doorward(server.url, server.token("alice")) as client,
    ):
        home = next(iter(client.workspaces())).id
        file = client.import_url(f"{origin.url}/a.txt", home, progress=moved.append)

        async def again():
            async with AsyncDoorward(server.url, server.token("alice")) as other:
                return await other.import_url(f"{origin.url}/a.txt", home, name="b.txt")

        assert asyncio.run(again()).name == "b.txt"
        client.download_file(file, tmp_path / "a.txt")
    assert (file.name, sum(moved)) == ("a.txt", 14)
    assert (tmp_path / "a.txt").read_bytes() == b"from elsewhere"


def test_an_import_that_fails_is_an_error_that_says_why():
    begun = UPLOAD | {"status": "receiving", "received_bytes": 1}
    answers = Answers(
        httpx2.Response(202, json=begun),
        httpx2.Response(200, json=begun | {"received_bytes": 3}),
        httpx2.Response(
            200,
            json=begun | {"status": "failed", "received_bytes": 0, "failure": "upstream_failed"},
        ),
    )
    moved = []

    with answers.client() as client, pytest.raises(ImportFailed) as failed:
        client.import_url("https://example.com/a", "ws_1", progress=moved.append)

    assert failed.value.code == "upstream_failed"
    assert moved == [1, 2, -3]
    assert len(answers.waits) == 2

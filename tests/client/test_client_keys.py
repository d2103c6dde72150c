"""Keys through both clients, and everything else through keys, against a real server."""

import asyncio
import os

import httpx2
import pytest

from cutting import CuttingProxy
from doorward.client import (
    AsyncDoorward,
    Doorward,
    DoorwardError,
    NotAuthenticated,
    NotFound,
    PermissionDenied,
)
from support import ServerProcess

FILES = ["files:read", "files:write", "workspaces:read"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as server:
        yield server


@pytest.fixture
def alice(server, request):
    """Somebody new for each test, signed in just now."""
    user = f"alice_{abs(hash(request.node.name))}"
    with Doorward(server.url, server.token(user)) as client:
        yield client


def home_of(client):
    return next(one.id for one in client.workspaces() if one.home)


def test_a_key_is_made_listed_read_changed_rotated_and_revoked(alice, server):
    made = alice.create_key("ci", FILES, expires_in=3600, environment="test")
    assert made.secret.startswith("dw_test_")
    assert alice.key(made.id).name == "ci"
    assert alice.change_key(made.id, name="ci 2", scopes=["files:read"]).scopes == ["files:read"]
    assert [one.id for one in alice.keys("test")] == [made.id]
    assert list(alice.keys("live")) == []

    rotated = alice.rotate_key(made.id)
    for secret in (made.secret, rotated.secret):
        with Doorward(server.url, secret) as agent:
            assert agent.me().credential.id == made.id
    last = alice.rotate_key(made.id, 0)
    with Doorward(server.url, rotated.secret) as agent, pytest.raises(NotAuthenticated):
        agent.me()

    alice.revoke_key(made.id)
    with Doorward(server.url, last.secret) as agent, pytest.raises(NotAuthenticated):
        agent.me()
    assert alice.key(made.id).status == "revoked"


def test_every_page_of_keys_is_fetched(alice, monkeypatch):
    made = [alice.create_key(f"key {n}", FILES).id for n in range(5)]
    monkeypatch.setattr("doorward.client.calls.PAGE_SIZE", 2)

    found = list(alice.keys())
    assert [one.id for one in found] == made[::-1]


def test_no_repr_shows_a_secret(alice, server):
    made = alice.create_key("ci", FILES)
    token = alice.delegate(key=made.secret)
    with Doorward(server.url, made.secret) as agent:
        for value in (made, token, agent, [made], {"a": token}):
            assert made.secret[20:] not in f"{value!r} {value}"
            assert token.access_token not in f"{value!r} {value}"


def test_a_key_bounds_whoever_holds_it_and_refusals_have_their_kinds(alice, server):
    made = alice.create_key("reader", ["files:read"])
    with Doorward(server.url, made.secret) as agent:
        with pytest.raises(PermissionDenied):
            agent.create_workspace("x")
        with pytest.raises(PermissionDenied):
            agent.create_key("another", ["files:read"])
    with pytest.raises(NotFound):
        alice.key("key_none")
    with pytest.raises(DoorwardError) as unknown:
        alice.create_key("odd", ["files:raed"])
    assert unknown.value.code == "scope_unknown"


def test_an_agent_acts_for_a_person_until_the_token_is_ended(alice, server):
    made = alice.create_key("agent", ["files:read", "workspaces:read"])
    session = server.token("bob")
    with Doorward(server.url, session) as bob, Doorward(server.url, made.secret) as agent:
        as_person = bob.delegate(key=made.secret, scopes=["files:read"])
        as_agent = agent.delegate(session=session)
        with pytest.raises(ValueError, match="either"):
            bob.delegate()
    assert (as_person.scope, as_agent.scope) == ("files:read", "files:read workspaces:read")
    with Doorward(server.url, as_agent.access_token) as acting:
        assert acting.me().user_id == "user_bob"
        acting.end_token(as_agent.access_token)
        with pytest.raises(NotAuthenticated):
            acting.me()


def test_asyncio_does_it_all_too(alice, server):
    async def everything():
        token = server.token(alice.me().user_id.removeprefix("user_"))
        async with AsyncDoorward(server.url, token) as client:
            made = await client.create_key("ci", FILES)
            assert (await client.key(made.id)).name == "ci"
            assert (await client.change_key(made.id, name="ci 2")).name == "ci 2"
            assert [one.id async for one in client.keys("live")] == [made.id]
            new = await client.rotate_key(made.id, 0)
            delegated = await client.delegate(key=new.secret)
            async with AsyncDoorward(server.url, new.secret) as agent:
                again = await agent.delegate(session=token)
                await agent.end_token(again.access_token)
            async with AsyncDoorward(server.url, delegated.access_token) as acting:
                assert (await acting.me()).credential.type == "delegated_token"
            await client.revoke_key(made.id)
            return (await client.key(made.id)).status

    assert asyncio.run(everything()) == "revoked"


def test_a_key_does_what_a_session_does(alice, server, tmp_path, monkeypatch):
    content = os.urandom(3_000_000)
    (tmp_path / "big").write_bytes(content)
    made = alice.create_key("agent", [*FILES, "files:delete", "workspaces:create"])
    monkeypatch.setenv("DOORWARD_TOKEN", made.secret)
    with Doorward(server.url) as agent:
        home = home_of(agent)
        folder = agent.create_folder(home, "docs")
        file = agent.upload_file(tmp_path / "big", home, parent_id=folder.id)
        assert agent.move_file(file.id, name="b").name == "b"
        assert agent.download_file(file, tmp_path / "back").read_bytes() == content
        assert [one.id for one in agent.files(home, folder.id)] == [file.id]
        link = agent.link(file.id)
        assert httpx2.get(link.url).content == content
        assert link.id in [one.id for one in agent.links()]
        agent.kill_link(link.id)
        assert httpx2.get(link.url).status_code == 410
        agent.delete_file(file.id)
        assert agent.restore_file(file.id).name == "b"
        upload = agent.declare_upload(home, name="x", size=1)
        agent.abort_upload(upload.id)
        assert agent.create_workspace("Made by an agent").role == "owner"


def test_an_upload_by_a_key_goes_on_where_it_was_cut(alice, server, tmp_path):
    content = bytes(range(256)) * 20_000
    (tmp_path / "big").write_bytes(content)
    port = int(server.url.rpartition(":")[2])
    made = alice.create_key("agent", FILES)
    moved = []
    with Doorward(server.url, made.secret, sleep=lambda _: None) as agent:
        home = home_of(agent)
        proxy = CuttingProxy(port, [1_000_000, None, 3_000_000], downwards=False)
        original = agent.declare_upload

        def through_proxy(*args, **kwargs):
            import msgspec

            upload = original(*args, **kwargs)
            url = upload.url.replace(f":{port}", f":{proxy.port}")
            return msgspec.structs.replace(upload, url=url)

        agent.declare_upload = through_proxy
        file = agent.upload_file(tmp_path / "big", home, progress=moved.append)
    proxy.listener.close()

    assert file.size == sum(moved) == len(content)
    assert sum(size for size in moved if size > 0) < 2 * len(content)


def test_what_a_key_began_ends_with_it(alice, server, tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    made = alice.create_key("agent", FILES)
    with Doorward(server.url, made.secret) as agent:
        home = home_of(agent)
        file = agent.upload_file(tmp_path / "a", home)
        link, upload = agent.link(file.id), agent.declare_upload(home, name="x", size=1)
    alice.revoke_key(made.id)

    assert httpx2.get(link.url).status_code == 410
    assert httpx2.put(upload.url, content=b"x").status_code == 404


def test_a_secret_that_is_rotated_in_its_file_counts_with_the_next_request(
    alice, server, tmp_path, monkeypatch
):
    made = alice.create_key("agent", FILES)
    kept = tmp_path / "key"
    kept.write_text(made.secret + "\n")
    monkeypatch.setenv("DOORWARD_TOKEN_FILE", str(kept))
    with Doorward(server.url) as agent:
        agent.me()
        kept.write_text(alice.rotate_key(made.id, 0).secret)
        assert agent.me().credential.id == made.id
        kept.unlink()
        with pytest.raises(DoorwardError, match="can't be read"):
            agent.me()

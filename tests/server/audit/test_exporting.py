"""An export verifies by its documented format alone, and shows nobody more than they may see."""

import json
from base64 import b64decode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from doorward.server.audit.keeping import kept_witness
from server.audit.trails import busy, rows, settled, verdict_on
from support import problem


def text(value) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def independently_verified(content: bytes, public_key: str) -> list[dict]:
    """What docs/reference/audit.md says, in a few lines of its own; gives the rows."""
    seen, found, hashes = sha256(), [], {}
    key = load_pem_public_key(public_key.encode())
    for line in content.splitlines(keepends=True):
        said = json.loads(line)
        if "signature" in said:
            signature = b64decode(said.pop("signature"))
            key.verify(signature, text(said))
        if said["type"] == "header":
            before, position = said["previous"], said["first"] - 1
        elif said["type"] in {"row", "withheld"}:
            digests = said.get("digests") or [sha256(text(said["row"])).hexdigest()]
            for digest in digests:
                before = sha256(bytes.fromhex(before) + bytes.fromhex(digest)).hexdigest()
                position += 1
                hashes[position] = before
            if said["type"] == "row":
                assert (before, position) == (said["hash"], said["row"]["position"])
                found.append(said["row"])
        elif said["type"] == "end":
            assert said["sha256"] == seen.hexdigest()
            assert (said["hash"], said["position"]) == (before, position)
        seen.update(line)
    assert said["type"] == "end"
    return found


def export(person, **where):
    answer = person.get("audit/export", params=where)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/jsonl"
    return answer.content


def test_an_export_verifies_by_what_is_documented_alone(house):
    alice, office, plans = busy(house)
    key = (house.data / "audit-public.pem").read_text()
    house.attest()

    content = export(alice, workspace=office)

    found = independently_verified(content, key)
    assert {row["workspace_id"] for row in found} == {office}
    assert plans.encode() not in content
    wanted = "SELECT count(*) FROM audit WHERE workspace_id = ?"
    assert rows(house.data, wanted, office) == [(len(found),)]
    kinds = [json.loads(line)["type"] for line in content.splitlines()]
    assert {"header", "row", "withheld", "end"} <= set(kinds)
    assert verdict_on(content.splitlines(keepends=True), kept_witness(house.data)).sound


def test_an_organizations_admin_exports_all_of_its_chain_and_nobody_elses(house):
    alice, *_ = busy(house)

    content = export(alice)

    found = independently_verified(content, (house.data / "audit-public.pem").read_text())
    wanted = "SELECT count(*) FROM audit WHERE chain = 'organization:org_acme'"
    assert rows(house.data, wanted) == [(len(found),)]
    assert b'"withheld"' not in content


def test_an_organizations_admin_lists_what_happens_in_all_of_it(house):
    alice, office, plans = busy(house)

    found = alice.get("audit", params={"limit": 500}).json()["data"]

    assert {office, plans} <= {row["workspace_id"] for row in found}
    assert {row["chain"] for row in found} == {"organization:org_acme"}


@pytest.mark.parametrize("path", ["audit", "audit/export"])
def test_only_an_admin_of_an_organization_sees_all_of_it(house, path):
    busy(house)
    member = house.person("bob", org="acme", role="org:member")
    alone = house.person("alice")

    assert problem(member.get(path)) == (403, "permission_denied")
    assert member.get(path).json()["missing"] == "role admin"
    assert problem(alone.get(path)) == (403, "permission_denied")


def test_an_export_is_in_the_trail_itself(house):
    alice, office, _ = busy(house)

    content = export(alice, workspace=office, since="2026-01-01T00:00:00Z")

    last = [json.loads(line) for line in content.splitlines()][-2]["row"]
    assert (last["action"], last["outcome"], last["actor_id"]) == (
        "audit:export",
        "allowed",
        "user_alice",
    )
    assert last["details"].pop("decision")["role"] == "admin"
    assert last["details"] == {"since": "2026-01-01T00:00:00+00:00"}


def test_an_export_of_a_time_has_that_time_alone_and_verifies(house):
    alice, office, _ = busy(house)
    house.clock.advance(seconds=3600)
    alice.post(f"workspaces/{office}/folders", name="later")
    house.clock.advance(seconds=3600)
    alice.post(f"workspaces/{office}/folders", name="much later")
    settled(house)

    (from_,) = rows(house.data, "SELECT time FROM audit WHERE resource_name = 'later'")[0]
    (to,) = rows(house.data, "SELECT time FROM audit WHERE resource_name = 'much later'")[0]
    times = {"since": _rfc(from_), "until": _rfc(to)}
    content = export(alice, workspace=office, **times)
    found = independently_verified(content, (house.data / "audit-public.pem").read_text())

    assert [row.get("resource_name") for row in found] == ["later"]
    assert verdict_on(content.splitlines(keepends=True), kept_witness(house.data)).sound
    nothing = export(alice, workspace=office, since=_rfc(to + 10**12), until=_rfc(to + 2 * 10**12))
    assert verdict_on(nothing.splitlines(keepends=True), kept_witness(house.data)).sound


def _rfc(microseconds):
    from datetime import UTC, datetime

    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat()


def test_an_export_of_many_rows_comes_in_parts_and_whole(house, monkeypatch):
    from doorward.server.audit import exporting

    monkeypatch.setattr(exporting, "ROWS_AT_ONCE", 3)
    alice, office, _ = busy(house)

    content = export(alice, workspace=office)

    independently_verified(content, (house.data / "audit-public.pem").read_text())
    assert verdict_on(content.splitlines(keepends=True), kept_witness(house.data)).sound


def test_whoever_loses_the_right_while_they_export_gets_no_end(house, monkeypatch):
    from doorward.server.audit import exporting

    monkeypatch.setattr(exporting, "ROWS_AT_ONCE", 3)
    alice, office, _ = busy(house)
    asked = []
    revoked = house.inside().revoked

    def ending(who):
        asked.append(who)
        return len(asked) == 2 or revoked(who)

    own = house.inside()
    object.__setattr__(own, "revoked", ending)
    try:
        content = alice.get("audit/export", params={"workspace": office}).content
    except Exception:  # noqa: BLE001 - the client may see the cut as one
        content = b""
    finally:
        object.__setattr__(own, "revoked", revoked)

    assert b'"type":"end"' not in content
    assert len(asked) == 2

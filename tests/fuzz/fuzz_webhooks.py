"""No webhook whatever raises anything but a reason, and none passes that nobody signed."""

import hmac
import json
import random
from base64 import b64decode, b64encode
from contextlib import suppress

import atheris
from harness import NOW, fuzz, odd_members

with atheris.instrument_imports(include=["doorward"]):
    from doorward.webhooks import Event, WebhookVerificationError, verify

SECRET = "whsec_" + "QUJD" * 8
KEY = b64decode(SECRET.removeprefix("whsec_"))
MEMBERS = ("type", "data", "timestamp", "instance_id", "object")
INNER = ("id", "user_id", "banned", "updated_at", "public_metadata", "organization", "deleted")


def test_one(data: bytes) -> None:
    head, _, body = data.partition(b"\n\n")
    pairs = [line.partition(b": ")[::2] for line in head.split(b"\n")]
    try:
        event = verify(body, pairs, SECRET, now=lambda: NOW)
    except WebhookVerificationError as refusal:
        assert refusal.reason
        return
    assert isinstance(event, Event)
    assert repr(event)
    names = {name.lower(): value.strip(b" \t") for name, value in pairs}
    assert any(_is_signed(names, kind, body) for kind in (b"svix", b"webhook"))


def _is_signed(names: dict[bytes, bytes], kind: bytes, body: bytes) -> bool:
    message_id, timestamp, signatures = (
        names.get(kind + name, b"") for name in (b"-id", b"-timestamp", b"-signature")
    )
    mac = _mac(message_id, timestamp, body)
    return mac in [_bytes(entry[3:]) for entry in signatures.split(b" ") if entry[:3] == b"v1,"]


def _bytes(encoded: bytes) -> bytes:
    # Spare bits of base64's last letter say nothing, so bytes are compared.
    with suppress(ValueError):
        return b64decode(encoded, validate=True)
    return b""


def _mac(message_id: bytes, timestamp: bytes, body: bytes) -> bytes:
    # An id beyond ASCII is signed as the text that its latin-1 bytes stand for.
    signed = b".".join((message_id.decode("latin-1").encode(), timestamp, body))
    return hmac.digest(KEY, signed, "sha256")


def delivery(body: bytes, message_id: bytes = b"msg_1") -> bytes:
    timestamp = b"%d" % NOW
    signature = b"v1," + b64encode(_mac(message_id, timestamp, body))
    lines = [b"svix-id: " + message_id, b"svix-timestamp: " + timestamp]
    return b"\n".join([*lines, b"svix-signature: " + signature]) + b"\n\n" + body


def mutant(data: bytes, chance: random.Random) -> bytes:
    """Change the event and sign it anew, or change the headers alone."""
    head, _, body = data.partition(b"\n\n")
    if chance.random() < 0.2:
        return bytes(atheris.Mutate(head, len(head) + 64)) + b"\n\n" + body
    if chance.random() < 0.5:
        return delivery(odd_members(body, MEMBERS, chance))
    envelope = json.loads(body)
    inner = odd_members(json.dumps(envelope["data"]).encode(), INNER, chance)
    outer = json.dumps(envelope | {"data": "@"}).encode()
    return delivery(outer.replace(b'"@"', inner))


def seeds() -> list[bytes]:
    user = {"id": "user_1", "public_metadata": {"a": 1}, "updated_at": int(NOW * 1000)}
    member = {"id": "orgmem_1", "role": "org:admin", "organization": {"id": "org_1"}}
    events = {
        "user.updated": user,
        "user.deleted": {"id": "user_1", "deleted": True},
        "session.revoked": {"id": "sess_1", "user_id": "user_1", "status": "revoked"},
        "organization.created": {"id": "org_1", "name": "Acme", "slug": "acme"},
        "organizationMembership.updated": member | {"public_user_data": {"user_id": "user_1"}},
        "unheard.of": {},
    }
    bodies = [{"type": name, "data": data, "object": "event"} for name, data in events.items()]
    return [delivery(json.dumps(body).encode()) for body in bodies]


if __name__ == "__main__":
    fuzz(test_one, seeds(), mutant)

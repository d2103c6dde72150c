"""Tokens are for this server, however a client writes its address."""

import pytest

from doorward.server.oauth.resources import known_resource

HERE = "https://files.example.com"


@pytest.mark.parametrize(
    "asked",
    [HERE, f"{HERE}/", f"{HERE}:443", "https://FILES.example.com", "HTTPS://files.example.com"],
)
def test_the_same_address_is_the_same_resource(asked):
    assert known_resource(HERE, asked) == HERE


@pytest.mark.parametrize(
    "asked",
    [
        "https://other.example.com",
        "http://files.example.com",
        f"{HERE}:8443",
        f"{HERE}/other",
        f"{HERE}#x",
        f"{HERE}?x=1",
        "https://x@files.example.com",
        "https://files.example.com:port",
        "files.example.com",
        "https://",
        "",
    ],
)
def test_another_address_is_none_of_ours(asked):
    assert known_resource(HERE, asked) is None


def test_a_server_may_lie_below_a_path():
    assert known_resource(f"{HERE}/door", f"{HERE}/door/") == f"{HERE}/door"
    assert known_resource(f"{HERE}/door", HERE) is None

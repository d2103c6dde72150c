"""Several server processes on one folder, as people start them, with and without a bus."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from support import ServerProcess

pytestmark = pytest.mark.xdist_group("redis-limits")
CROWD, EACH = 64, 10
LIMIT = 400


def crowd_at(url: str, token: str) -> list[int]:
    """What 64 clients get who ask at once, each over a connection of its own."""

    def client(_: int) -> list[int]:
        with httpx2.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http:
            return [http.get(f"{url}/api/v1/me").status_code for _ in range(EACH)]

    with ThreadPoolExecutor(CROWD) as crowd:
        return [status for found in crowd.map(client, range(CROWD)) for status in found]


def test_two_processes_that_share_a_bus_let_exactly_the_limit_through(bus, tmp_path):
    user = uuid.uuid4().hex[:8]  # whose bucket no other test has touched
    limit = f"{LIMIT}/36000"  # of which one comes back in 90 seconds
    server = ServerProcess(
        tmp_path / "data",
        "--workers",
        "2",
        DOORWARD_BUS_URL=bus,
        DOORWARD_LIMIT_PRINCIPAL=limit,
    )
    with server:
        statuses = crowd_at(server.url, server.token(user))
        said = "".join(server.errors)

    assert set(statuses) == {200, 429}
    assert statuses.count(200) == LIMIT
    assert "for each" not in said


def test_several_processes_without_a_bus_say_that_each_limits_alone(tmp_path):
    with ServerProcess(tmp_path / "data", "--workers", "2") as server:
        pass

    assert "DOORWARD_BUS_URL" in "".join(server.errors)


def test_behind_a_proxy_that_nobody_named_the_server_says_what_does_not_hold(tmp_path):
    server = ServerProcess(
        tmp_path / "data",
        DOORWARD_PUBLIC_URL="https://files.example.com",
        CLERK_SECRET_KEY="sk_test_your_clerk_secret_key_here",
        CLERK_JWKS_URL="http://127.0.0.1:9/jwks",
    )
    with server:
        pass

    assert "DOORWARD_TRUSTED_PROXIES" in "".join(server.errors)

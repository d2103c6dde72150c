"""What clients read first is as the standards have it, and true."""

from urllib.parse import urlsplit

import pytest
from authlib.oauth2 import rfc9207
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from support import problem

SERVER = "/.well-known/oauth-authorization-server"
RESOURCE = "/.well-known/oauth-protected-resource"


def test_the_servers_own_description_is_as_rfc_8414_has_it(house):
    answer = house.client.get(SERVER)
    said = answer.json()
    AuthorizationServerMetadata(said).validate(
        metadata_classes=[rfc9207.AuthorizationServerMetadata]
    )
    assert said["issuer"] == "http://127.0.0.1:8040"
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert said["authorization_response_iss_parameter_supported"] is True
    assert said["client_id_metadata_document_supported"] is True
    assert "keys:manage" not in said["scopes_supported"]
    assert answer.headers["access-control-allow-origin"] == "*"


def test_every_endpoint_that_is_named_is_there(house):
    said = house.client.get(SERVER).json()
    named = [address for name, address in said.items() if name.endswith("_endpoint")]
    assert len(named) == 5
    for address in named:
        assert house.client.post(urlsplit(address).path).status_code in {400, 401, 405}


def test_the_resource_says_who_issues_tokens_for_it(house):
    said = house.client.get(RESOURCE).json()
    assert said["resource"] == "http://127.0.0.1:8040"
    assert said["authorization_servers"] == ["http://127.0.0.1:8040"]
    assert said["bearer_methods_supported"] == ["header"]
    assert said["scopes_supported"] == [
        "events:read",
        "files:read",
        "search:read",
        "workspaces:read",
    ]
    assert problem(house.client.get(RESOURCE + "/elsewhere"))[0] == 404


def test_below_a_path_the_issuers_path_comes_last(house_with):
    house = house_with(DOORWARD_PUBLIC_URL="http://127.0.0.1:8040/door")
    root = "http://127.0.0.1:8040"
    assert house.client.get(f"{root}{SERVER}/door").json()["issuer"] == f"{root}/door"
    assert house.client.get(f"{root}{RESOURCE}/door").json()["resource"] == f"{root}/door"


def test_pages_of_any_site_may_ask_and_send_no_cookie(house):
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    for path in ("/oauth/token", "/oauth/register", "/oauth/revoke", SERVER):
        answer = house.client.options(path, headers=asked)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
    assert problem(house.client.options("/oauth/decision", headers=asked))[0] == 405
    assert problem(house.client.get("/oauth/token"))[0] == 405
    assert problem(house.client.get("/oauth/nothing"))[0] == 404


@pytest.mark.parametrize("path", [SERVER, RESOURCE, "/oauth/authorize"])
def test_without_tls_nothing_is_offered_beyond_this_machine(house_with, issuer, path):
    house = house_with(
        DOORWARD_PUBLIC_URL="http://files.example.com", CLERK_JWT_KEY=issuer.public_key_pem
    )
    assert problem(house.client.get(path))[0] == 404
    assert "resource_metadata" not in house.client.get("/api/v1/me").headers["www-authenticate"]

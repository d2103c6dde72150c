"""A stand-in of one test, and its Backend API as a server of somebody's calls it."""

import json

import pytest
from starlette.testclient import TestClient

from doorward.standin import Standin
from doorward.standin.app import create_app


@pytest.fixture
def standin(tmp_path, clock):
    return Standin.open(tmp_path / "standin", clock=clock)


@pytest.fixture
def http(standin):
    return TestClient(
        create_app(standin), base_url="http://127.0.0.1:8041", client=("127.0.0.1", 50000)
    )


@pytest.fixture
def ask(standin, http):
    """Call the Backend API with its secret key; gives the answer."""

    def call(method, path, body=None, *, key=standin.secret_key, **more):
        headers = {"Authorization": f"Bearer {key}"} | more.pop("headers", {})
        content = None if body is None else json.dumps(body)
        return http.request(method, path, content=content, headers=headers, **more)

    return call


@pytest.fixture
def api(ask):
    """Call the Backend API and give the body of an answer that is good."""

    def call(method, path, body=None, **more):
        answer = ask(method, path, body, **more)
        assert answer.is_success, answer.text
        return answer.json()

    return call


@pytest.fixture
def refused(ask):
    """Call the Backend API and give status and code of its refusal."""

    def call(method, path, body=None, **more):
        answer = ask(method, path, body, **more)
        (error,) = answer.json()["errors"]
        assert error["message"] == error["long_message"]
        return answer.status_code, error["code"]

    return call

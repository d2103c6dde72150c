"""Documents that can't rot: their code runs, and their tables say what the code says."""

import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
from fastapi.testclient import TestClient

from support import ServerProcess

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
STANDIN = (ROOT / "docs/how-to/stand-in.md").read_text()
LINKS = (ROOT / "docs/how-to/links.md").read_text()
GUARDS = (ROOT / "docs/how-to/guards.md").read_text()


def test_the_tour_runs_as_it_is_printed(tmp_path):
    blocks = re.findall(r"```sh tour\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 5
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    with ServerProcess(tmp_path / "data") as server:
        port = server.url.rpartition(":")[2]
        script = "set -eu\n" + "\n".join(blocks).replace(":8040", f":{port}")
        out = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )

    assert out.returncode == 0, out.stderr
    lines = out.stdout.splitlines()
    for expected in ("same", "by curl alone", "401"):
        assert expected in lines
    assert any("user_alice" in line for line in lines)
    assert '"code": "file_not_found"' in lines[-1]
    assert "2 unchanged" in out.stderr


def test_the_guard_runs_as_it_is_printed(issuer, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.setenv("CLERK_JWT_KEY", issuer.public_key_pem)
    names: dict[str, object] = {}

    exec(code, names)  # noqa: S102 - the README's own code

    assert TestClient(names["app"]).get("/me").status_code == 401


def test_the_guards_run_as_they_are_printed(issuer, monkeypatch, tmp_path):
    blocks = re.findall(r"```python run\n(.*?)```", GUARDS, re.DOTALL)
    monkeypatch.setenv("CLERK_JWT_KEY", issuer.public_key_pem)
    monkeypatch.setenv("CLERK_AUTHORIZED_PARTIES", "https://app.example.com")
    monkeypatch.setenv("CLERK_WEBHOOK_SIGNING_SECRET", "whsec_" + "A" * 32)
    monkeypatch.chdir(tmp_path)
    printed = []
    for number, code in enumerate(blocks):
        module = ModuleType(f"printed_{number}")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(code, vars(module))  # noqa: S102 - the page's own code
        printed.append(vars(module))

    fastapi, crossing, asgi, flask, graphql, webhook, plain = printed
    assert TestClient(fastapi["app"]).get("/feed").json() == {"for": "everybody"}
    assert TestClient(fastapi["app"]).get("/admin/report").status_code == 401
    origin = {"Origin": "https://app.example.com"}
    answer = TestClient(crossing["app"]).get("/", headers=origin)
    assert answer.headers["access-control-allow-origin"] == origin["Origin"]
    assert TestClient(asgi["app"]).get("/").status_code == 401
    assert flask["app"].test_client().get("/report").status_code == 401
    asked = TestClient(graphql["app"]).post("/graphql", json={"query": "{ balance }"})
    assert asked.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert TestClient(webhook["app"]).post("/webhooks/clerk").status_code == 400
    assert plain["user_of"]("garbage") is None


def test_work_without_an_account_is_as_it_is_printed(tmp_path):
    code = {kind: block("python", kind) for kind in ("app", "tests")}
    script = "set -eu\n" + "\n".join(re.findall(r"```sh run\n(.*?)```", STANDIN, re.DOTALL))
    (tmp_path / "app.py").write_text(code["app"])
    (tmp_path / "test_app.py").write_text(code["tests"])
    (tmp_path / "pytest.ini").write_text("[pytest]\ndoorward_standin = true\npythonpath = .\n")
    path = f"{ROOT / '.venv/bin'}:/usr/bin:/bin"
    here = {"cwd": tmp_path, "capture_output": True, "text": True}

    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    tests = subprocess.run(command, check=False, **here)
    with standin_running(tmp_path / "data") as port:
        script = script.replace("dev env", f"dev env --port {port}")
        done = subprocess.run(["bash", "-c", script], env={"PATH": path}, check=False, **here)

    assert tests.returncode == 0, tests.stdout
    assert "4 passed" in tests.stdout
    assert done.returncode == 0, done.stderr
    assert '"first_name": "Alice"' in done.stdout
    assert '"scopes": ["files:read"]' in done.stdout
    assert '"last_active_session_id": "sess_' in done.stdout
    assert "CLERK_WEBHOOK_SIGNING_SECRET=whsec_" in done.stdout
    assert "\tsession.created\t" in done.stdout
    assert "\t+7200 s" in done.stdout


def test_a_file_is_shared_by_a_link_as_it_is_printed(tmp_path):
    blocks = re.findall(r"```sh run\n(.*?)```", LINKS, re.DOTALL)
    assert len(blocks) == 2
    with ServerProcess(tmp_path / "data") as server:
        script = "set -eu\ndoorward login --user alice\n" + "\n".join(blocks)
        out = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env={
                "HOME": str(tmp_path),
                "PATH": f"{ROOT / '.venv/bin'}:/usr/bin:/bin",
                "DOORWARD_URL": server.url,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    assert out.returncode == 0, out.stderr
    assert "came whole" in out.stdout
    assert "1 of 2" in out.stdout
    assert "is dead." in out.stderr


def test_a_workspace_is_handed_over_as_it_is_printed(tmp_path):
    page = (ROOT / "docs/how-to/hand-over.md").read_text()
    blocks = re.findall(r"```sh run\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 3
    with ServerProcess(tmp_path / "data") as server:
        out = subprocess.run(
            ["bash", "-c", "set -eu\n" + "\n".join(blocks)],
            cwd=tmp_path,
            env={
                "HOME": str(tmp_path),
                "PATH": f"{ROOT / '.venv/bin'}:/usr/bin:/bin",
                "DOORWARD_URL": server.url,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    assert out.returncode == 0, out.stderr
    assert "user_alice: owner, then editor until" in out.stderr
    assert "user_bob: -, then owner" in out.stderr
    assert "offered    user_alice to user_bob  keeps editor" in out.stdout
    assert "user_alice owns ws_" in out.stderr


def block(language: str, kind: str) -> str:
    (code,) = re.findall(rf"```{language} {kind}\n(.*?)```", STANDIN, re.DOTALL)
    return code


@contextmanager
def standin_running(data):
    """A stand-in of its own on a free port."""
    command = [sys.executable, "-m", "doorward", "dev", "--port", "0", "--data", data]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = next(line for line in process.stderr if "answers at" in line)
            yield re.search(r":(\d+),", line)[1]
        finally:
            process.terminate()
            process.communicate(timeout=60)


def test_the_middleware_for_django_runs_as_it_is_printed(issuer, monkeypatch):
    django = pytest.importorskip("django", reason="LOUD: Django is not here")
    (code,) = re.findall(r"```python django\n(.*?)```", GUARDS, re.DOTALL)
    monkeypatch.setenv("CLERK_JWT_KEY", issuer.public_key_pem)
    from django.conf import settings
    from django.test import RequestFactory

    settings.configure(DEFAULT_CHARSET="utf-8")
    django.setup()
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102 - the page's own code
    middleware = names["ClerkMiddleware"](lambda request: request.clerk)

    assert middleware(RequestFactory().get("/")) is None
    refused = middleware(RequestFactory().get("/", headers={"Authorization": "Bearer x"}))
    assert (refused.status_code, refused["X-Clerk-Auth-Reason"]) == (401, "token-invalid")


def test_every_reason_for_a_refusal_is_explained_and_nothing_else():
    from doorward.clerk import authenticator, refusals
    from doorward.clerk.errors import Reason

    page = (ROOT / "docs/reference/refusals.md").read_text()
    documented = set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))
    declared = {reason.value for reason in Reason} | authenticator.NOBODY
    declared |= {authenticator._TOKEN_WITHOUT_UAT, authenticator._OLDER_THAN_UAT}
    declared |= {refusals.REVOKED, refusals.PENDING, refusals.FOREIGN_ORIGIN}

    assert documented == declared | {refusals.REVOCATION_UNKNOWN}


def test_every_difference_from_clerks_sdk_is_listed_and_names_a_test_that_there_is():
    from clerk.differential.wanted import WANTED

    page = (ROOT / "docs/reference/differences.md").read_text()
    source = "".join(path.read_text() for path in (ROOT / "tests").glob("**/test_*.py"))

    for one in WANTED:
        assert f"| {one.name} |" in page, one.name
    for name in re.findall(r"`(test_\w+)`", page):
        assert f"def {name}(" in source, name


def test_every_link_between_documents_leads_somewhere():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_problem_is_documented_and_nothing_else():
    from doorward.server.problems import Problem

    page = (ROOT / "docs/reference/problems.md").read_text()

    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(Problem.catalogue)


def test_every_fault_that_fsck_names_is_documented_and_nothing_else():
    from doorward.server.integrity.model import Fault

    page = (ROOT / "docs/reference/fsck.md").read_text()

    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == {one.value for one in Fault}


def test_every_fault_of_the_trail_is_documented_and_nothing_else():
    from doorward.server.audit.chain import Fault

    page = (ROOT / "docs/reference/audit.md").read_text()
    faults = page.partition("## Findings")[2].partition("\n## ")[0]

    assert set(re.findall(r"^\| `(\w+)` \|", faults, re.MULTILINE)) == {f.value for f in Fault}


def test_every_setting_that_the_code_reads_is_documented():
    files = ("server/settings.py", "server/limits/reading.py")
    source = "".join((ROOT / "src/doorward" / file).read_text() for file in files)
    read = set(re.findall(r'"((?:DOORWARD|CLERK|AWS|AZURE|FASTIO)_[A-Z_]+)"', source))
    page = (ROOT / "docs/reference/settings.md").read_text()
    example = (ROOT / ".env.example").read_text()

    assert len(read) > 15
    for name in read:
        assert f"`{name}`" in page, name
        assert name in example, name


def test_every_command_is_documented():
    from doorward.cli.app import ROWS

    page = (ROOT / "docs/reference/commands.md").read_text()

    for name in ROWS:
        assert f"`doorward {name}" in page, name


@pytest.mark.parametrize("module", re.findall(r"`((?:src|tests)/[\w./-]+)`", README))
def test_every_file_that_the_readme_names_is_there(module):
    assert (ROOT / module).exists()


def test_every_module_that_the_architecture_names_is_there():
    page = (ROOT / "docs/ARCHITECTURE.md").read_text()
    named = re.findall(r"`(\w+/[\w/]*(?:\.py)?|fastapi\.py)`", page)

    assert len(named) > 10
    for name in set(named) - {"src/doorward"}:
        assert (ROOT / "src/doorward" / name).exists(), name

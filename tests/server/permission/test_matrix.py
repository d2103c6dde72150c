"""Every operation by every credential in every state and place: what the table says, and no more.

The table is ``permitted``, written by hand; nothing of it is read from the declarations.
"""

import shutil

import pytest
from starlette.testclient import TestClient

import permitted
from doorward.server.app import create_app
from doorward.server.doors.fastio.paths import Route
from doorward.server.doors.oauth.desk import PREFIXES as OAUTH
from doorward.server.doors.rest.operations import Operations
from doorward.server.doors.transfer import creation, shared, upload
from doorward.server.folder import prepare
from doorward.server.permission.actions import Action
from doorward.server.settings import load_settings
from doorward.standin import Standin
from matrix import KINDS, World
from permitted import HELD, REST, SIGNED, Case, expected, places
from requested import NOWHERE
from support import Clock, House

# What is answered to who is allowed, where that is not just done: the door lay behind.
BEYOND = {
    "POST /workspaces/{workspace_id}/imports": 422,  # an address that is fetched for nobody
    "POST /uploads/{upload_id}/complete": 409,  # this store takes no parts
    "GET /files/{file_id}/thumbnail": 415,  # of a text
    "POST /transfer/workspaces/{workspace_id} (tus, of parts)": 409,  # which there are not
    "GET /workspaces/{workspace_id}/transfers/{transfer_id}": 404,  # none was offered
    "DELETE /workspaces/{workspace_id}/transfers/{transfer_id}": 404,
    "POST /workspaces/{workspace_id}/transfers/{transfer_id}/undo": 404,
    "DELETE /grants/{grant_id}": 404,
    "GET /transfers/{token}": 404,  # a token that nobody has
    "POST /transfers/{token}/claim": 404,
}


@pytest.fixture(scope="module")
def world(empty_folder, tmp_path_factory):
    """One house for all cases of a process."""
    data = tmp_path_factory.mktemp("matrix") / "data"
    clock = Clock()
    settings = load_settings({"DOORWARD_DATA": str(data), "DOORWARD_DURABILITY": "fast"})
    shutil.copytree(empty_folder, data)
    settings = prepare(settings)
    with TestClient(create_app(settings, clock), base_url=settings.public_url) as client:
        yield World.made(House(data, clock, client, Standin.open(data / "standin", clock=clock)))


def cases(row, kind: str) -> list[Case]:
    """Every state, place and scope that one kind of credential has for an operation."""
    if kind == "none":
        return [Case("none", place=place) for place in places(row, bounded=False)]
    one = KINDS[kind]
    scopes = (True, False) if one.bounded and row.scope else (True,)
    return [
        Case(kind, state, place, has_scope)
        for state in one.states
        for place in places(row, bounded=one.bounded)
        if not (place == "unreached" and state != "active")
        for has_scope in scopes
    ]


def refusal(answer) -> tuple[int, str, str | None]:
    """Status, code and what is missing, in whichever form the door refuses."""
    body = answer.json()
    error = body.get("error") if answer.request.url.path.startswith("/current/") else body
    code = error["code"] if isinstance(error["code"], str) else error["error_code"]
    return answer.status_code, code, error.get("missing")


def without_id(answer) -> str:
    return answer.text.replace(answer.headers["x-request-id"], "")


def place_of(row, case: Case) -> str:
    """Where Ann holds the role just below the one it takes."""
    return (
        permitted.ROLES[permitted.ROLES.index(row.role) - 1] if case.place == "weak" else case.place
    )


def judge(world, operation, row, case) -> str | None:
    """Ask, and say what was not as the table has it."""
    bearer = world.bearer(case, row)
    answer = world.ask(operation, world.ids[place_of(row, case)], bearer)
    should = expected(row, case)
    got = refusal(answer) if answer.status_code >= 400 else (answer.status_code, "", None)
    if got != should:
        return f"{case}: {got}, not {should}"
    if should[0] == 401 and not answer.headers.get("www-authenticate", "").startswith("Bearer"):
        return f"{case}: no challenge"
    if should[0] == 404 and not is_alike(answer, world.ask(operation, NOWHERE, bearer)):
        return f"{case}: can be told from a missing one"
    return None


def is_alike(hidden, missing) -> bool:
    one, other = (without_id(answer) for answer in (hidden, missing))
    return one == other and set(hidden.headers) == set(missing.headers)


@pytest.mark.parametrize("kind", ["none", *KINDS])
@pytest.mark.parametrize("operation", HELD)
def test_nobody_does_what_the_table_refuses(world, operation, kind):
    row = HELD[operation]
    refused = [case for case in cases(row, kind) if expected(row, case) is not None]
    for case in refused:
        world.bearer(case, row)
    before = world.things()

    wrong = [judge(world, operation, row, case) for case in refused]

    assert not list(filter(None, wrong))
    assert world.things() == before


ALLOWED = [(name, kind) for name, row in HELD.items() for kind in KINDS if kind in row.kinds]


@pytest.mark.parametrize(("operation", "kind"), ALLOWED)
def test_whoever_the_table_allows_does_it(world, operation, kind):
    row = HELD[operation]
    (case,) = [one for one in cases(row, kind) if expected(row, one) is None]
    bearer = world.bearer(case, row)
    ids = world.consumable(operation, bearer)

    answer = world.ask(operation, ids, bearer)

    if operation in BEYOND:
        assert answer.status_code == BEYOND[operation], answer.text
    else:
        assert answer.is_success, answer.text


ENDS = [(name, state) for name, kind in KINDS.items() for state in kind.states]
NARROWED = [(name, "narrowed") for name, kind in KINDS.items() if kind.narrows]


@pytest.mark.parametrize(("kind", "state"), ENDS + NARROWED)
def test_what_was_bought_ends_with_whatever_bought_it(world, kind, state):
    bearer, end = world.buyer(kind, state)
    bought = {operation: world.buy(one.by, bearer) for operation, one in SIGNED.items()}
    end()

    wrong = [judge_bought(world, *one, kind, state) for one in bought.items()]

    assert not list(filter(None, wrong))


def judge_bought(world, operation, url, kind, state) -> str | None:
    answer, row = world.use(operation, url), SIGNED[operation]
    if state == "active" or (kind, state) in permitted.OUTLIVED:
        return None if answer.is_success else f"{operation}: {answer.status_code} {answer.text}"
    if answer.is_success:
        return f"{operation}: {answer.status_code}"
    should = row.narrowed if state == "narrowed" else row.dead
    got = (answer.status_code, refusal(answer)[1] if answer.content else should[1])
    return None if got == should else f"{operation}: {got}, not {should}"


def test_the_table_says_what_is_declared():
    declared = {
        f"{one.method} {one.path}": (
            one.accepts,
            one.action.scope.value if one.action and one.action.scope else None,
            one.action.role.value if one.action and one.action.role else None,
        )
        for one in Operations.all
    }
    said = {name: (frozenset(row.kinds), row.scope, row.role) for name, row in REST.items()}

    assert said == declared


def test_the_table_has_every_door_and_whatever_each_of_them_takes(world):
    """What is served beside REST, which declares itself; a new door is to be put in the table."""
    house = world.house.client.app._app._doors._app
    doors = {path for path, _ in house.below} | set(house.exact)
    methods = {
        "/transfer/workspaces/": creation.METHODS.split(", "),
        "/transfer/": upload.METHODS.split(", "),
        "/download/": shared._METHODS,
        "add": Route.ADD.value,
        "put": Route.PUT.value,
        "details": Route.DETAILS.value,
    }
    served = {(door, method) for door, taken in methods.items() for method in taken}
    said = {(door_of(name), name.split()[0]) for name in permitted.BESIDE | SIGNED}
    asked_by_all = {("/transfer/workspaces/", "OPTIONS")}  # what is spoken there, and no more

    assert doors == {
        "/api/v1/",
        "/transfer/workspaces/",
        "/transfer/",
        "/download/",
        "/current/",
        "/standin/",  # plays Clerk, and knows none of our credentials
        *OAUTH,  # whose own tests ask what they take
        "/metrics",  # for this machine and the operator's networks, whoever asks
    }
    assert {one.name for one in Route} == {"ADD", "PUT", "DETAILS"}
    assert said == served - asked_by_all


def door_of(name: str) -> str:
    path = name.split()[1]
    if path.startswith("/current/"):
        return path.rpartition("/")[2]
    return path[: path.index("{")]


def test_every_action_is_behind_some_row_of_the_table():
    scopes = {row.scope for row in HELD.values()} | {row.scope for row in SIGNED.values()}

    assert {action.scope.value for action in Action if action.scope} == scopes - {None}


def test_the_page_is_the_one_that_the_table_makes():
    assert permitted.PAGE.read_text() == permitted.page()  # else: python tests/permitted.py

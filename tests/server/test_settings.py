from ipaddress import ip_network

import pytest

from doorward.server.limits.model import Bucket
from doorward.server.limits.plans import Plan
from doorward.server.permission.roles import Role
from doorward.server.settings import SettingsInvalid, load_settings

WEBHOOK_SECRET = "whsec_dGVzdF9zaWduaW5nX3NlY3JldF8zMl9jaGFyc19sb25n"


def mistakes_of(**environ: str) -> list[str]:
    with pytest.raises(SettingsInvalid) as refusal:
        load_settings(environ)
    assert all(mistake in str(refusal.value) for mistake in refusal.value.mistakes)
    return refusal.value.mistakes


def test_nothing_set_is_a_server_for_this_machine_with_the_stand_in(tmp_path):
    settings = load_settings({}, data=tmp_path)

    assert (settings.host, settings.port, settings.standin) == ("127.0.0.1", 8040, True)
    assert settings.durable
    assert settings.public_url == "http://127.0.0.1:8040"
    assert settings.database.parent == settings.data == tmp_path


def test_a_clerk_key_turns_the_stand_in_off():
    assert not load_settings({"CLERK_SECRET_KEY": "sk_test_your_key_here"}).standin


def test_networks_that_may_be_asked_are_read_from_a_list():
    settings = load_settings({"DOORWARD_OUTBOUND_ALLOW": "10.0.0.0/8, ::1/128,"})

    assert settings.outbound_allowed == (ip_network("10.0.0.0/8"), ip_network("::1/128"))


def test_the_command_line_wins_over_the_environment():
    settings = load_settings({"DOORWARD_PORT": "1", "DOORWARD_HOST": "::1"}, port=2)

    assert (settings.port, settings.host) == (2, "::1")
    assert settings.public_url == "http://[::1]:2"


def test_every_secret_may_come_from_a_file(tmp_path):
    file = tmp_path / "key"
    file.write_text("sk_test_from_a_file\n")
    long = tmp_path / "secret"
    long.write_text("s" * 40)

    settings = load_settings(
        {"CLERK_SECRET_KEY_FILE": str(file), "DOORWARD_SECRET_FILE": str(long)}
    )

    assert settings.clerk.secret_key == "sk_test_from_a_file"
    assert settings.secret == "s" * 40


def test_settings_never_show_a_secret():
    settings = load_settings(
        {"CLERK_SECRET_KEY": "sk_test_0123456789", "DOORWARD_SECRET": "s" * 40}
    )

    assert "0123456789" not in repr(settings)
    assert "ssss" not in repr(settings)


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({"DOORWARD_PORT": "many"}, "DOORWARD_PORT"),
        ({"DOORWARD_OUTBOUND_ALLOW": "10.0.0.0/8,10.0.0.1/8"}, "'10.0.0.1/8'"),
        ({"DOORWARD_OUTBOUND_ALLOW": "localhost"}, "DOORWARD_OUTBOUND_ALLOW"),
        ({"DOORWARD_BIN_DAYS": "-1"}, "DOORWARD_BIN_DAYS"),
        ({"DOORWARD_UPLOAD_ROWS_DAYS": "36501"}, "from 0 to 36500"),
        ({"DOORWARD_ALLOWED_TYPES": "image"}, "image/*, text/plain"),
        ({"DOORWARD_DENIED_EXTENSIONS": "exe, .scr"}, "'.scr'"),
        ({"DOORWARD_PORT": "70000"}, "from 0 to 65535"),
        ({"DOORWARD_QUOTA_BYTES": "-1"}, "0 or more"),
        ({"DOORWARD_DURABILITY": "maybe"}, "full, fast"),
        ({"DOORWARD_STANDIN": "yes"}, "DOORWARD_STANDIN"),
        ({"DOORWARD_DATABASE_URL": "postgresql://x"}, "sqlite:///"),
        ({"DOORWARD_STORAGE_URL": "ftp://bucket"}, "file:///"),
        ({"DOORWARD_STORAGE_URL": "s3://key:secret@bucket"}, "a credential does not belong"),
        ({"DOORWARD_STORAGE_URL": "s3:///prefix"}, "such as s3://name"),
        ({"DOORWARD_STORAGE_URL": "s3://b?colour=red"}, "and nothing else"),
        ({"DOORWARD_STORAGE_URL": "s3://b?endpoint=b.example"}, "https://s3.example.com"),
        ({"DOORWARD_STORAGE_URL": "s3://b?timeout=soon"}, "whole number"),
        ({"DOORWARD_STORAGE_URL": "s3://b?path_style=yes"}, "on or off"),
        ({"DOORWARD_STORAGE_URL": "az://b"}, "AZURE_STORAGE_ACCOUNT_NAME"),
        ({"DOORWARD_STORAGE_URL": "fastio://4123"}, "FASTIO_API_KEY"),
        ({"DOORWARD_STORAGE_URL": "s3://b", "AWS_ACCESS_KEY_ID": "AKIA"}, "set both"),
        ({"DOORWARD_BUS_URL": "amqp://x"}, "redis://127.0.0.1:6379/0"),
        ({"DOORWARD_BUS_URL": "redis://"}, "DOORWARD_BUS_URL"),
        ({"DOORWARD_LIMITS": "maybe"}, "on, off"),
        ({"DOORWARD_LIMIT_ADDRESS": "100"}, "30000/60"),
        ({"DOORWARD_LIMIT_LINKS": "0/60"}, "or off"),
        ({"DOORWARD_LIMIT_LINKS": "2000001/2"}, "a million a second"),
        ({"DOORWARD_BUDGET_BYTES": "1GB"}, "0 or more"),
        ({"DOORWARD_ORGANIZATION_CREDITS": "-5"}, "0 or more"),
        ({"DOORWARD_ORGANIZATION_PLANS": "org_a=5, org_b=1/2"}, "'org_a=5'"),
        ({"DOORWARD_TRUSTED_PROXIES": "proxy"}, "10.1.0.0/16"),
        ({"DOORWARD_PUBLIC_URL": "files.example.com"}, "DOORWARD_PUBLIC_URL"),
        ({"DOORWARD_SECRET": "short"}, "openssl rand"),
        ({"DOORWARD_ORGANIZATION_ROLES": "admin"}, "org:member=editor"),
        ({"DOORWARD_ORGANIZATION_ROLES": "a=king"}, "viewer"),
        ({"DOORWARD_STANDIN": "off"}, "CLERK_SECRET_KEY"),
        ({"CLERK_SECRET_KEY_FILE": "/no/such/file"}, "No such file"),
        ({"CLERK_SECRET_KEY_FILE": "/dev/null"}, "empty"),
        ({"CLERK_SECRET_KEY": "a", "CLERK_SECRET_KEY_FILE": "/dev/null"}, "both set"),
        ({"DOORWARD_STANDIN": "on", "CLERK_JWT_KEY": "x"}, "exclude each other"),
    ],
)
def test_a_mistake_is_named_with_what_to_do(environ, word):
    assert any(word in mistake for mistake in mistakes_of(**environ))


def test_off_loopback_the_stand_in_is_refused_and_an_address_is_asked_for():
    found = mistakes_of(DOORWARD_HOST="0.0.0.0", DOORWARD_STANDIN="on")  # noqa: S104

    assert any("sign in as anyone" in mistake for mistake in found)
    assert any("DOORWARD_PUBLIC_URL" in mistake for mistake in found)
    assert any("CLERK_SECRET_KEY" in m for m in mistakes_of(DOORWARD_HOST="192.0.2.1"))


def test_a_secret_that_did_not_arrive_does_not_open_the_stand_in():
    assert any("CLERK_SECRET_KEY" in mistake for mistake in mistakes_of(CLERK_SECRET_KEY=""))


def test_a_public_address_beside_a_loopback_host_means_a_proxy_and_no_stand_in():
    found = mistakes_of(DOORWARD_PUBLIC_URL="https://files.example.com")
    asked = mistakes_of(DOORWARD_PUBLIC_URL="https://files.example.com", DOORWARD_STANDIN="on")

    assert any("Nothing says how sign-ins are verified" in mistake for mistake in found)
    assert any("sign in as anyone" in mistake for mistake in asked)
    assert load_settings({"DOORWARD_PUBLIC_URL": "http://localhost:9000"}).standin


def test_a_damaged_signing_secret_stops_the_start(tmp_path):
    (tmp_path / "secret").write_text("")

    with pytest.raises(SettingsInvalid, match="damaged"):
        load_settings({}, data=tmp_path)


def test_places_and_roles_are_taken_as_set(tmp_path):
    settings = load_settings(
        {
            "DOORWARD_DATABASE_URL": f"sqlite:///{tmp_path}/a.db",
            "DOORWARD_STORAGE_URL": f"file://{tmp_path}/blobs",
            "DOORWARD_ORGANIZATION_ROLES": "org:boss=owner",
            "DOORWARD_PUBLIC_URL": "https://files.example.com/",
            "CLERK_SECRET_KEY": "sk_test_your_key_here",
        }
    )

    assert settings.database == tmp_path / "a.db"
    assert settings.blobs == tmp_path / "blobs"
    assert settings.organization_roles == {"org:boss": Role.OWNER}
    assert settings.public_url == "https://files.example.com"
    assert settings.listening_on(5).public_url == "https://files.example.com"
    assert load_settings({}, port=0).listening_on(5).public_url == "http://127.0.0.1:5"


def test_a_remote_store_is_read_with_its_credentials_from_the_variables_of_its_world(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("key-in-a-file")
    settings = load_settings(
        {
            "DOORWARD_STORAGE_URL": "s3://bucket/a/b/?region=eu-central-1&timeout=5",
            "AWS_ACCESS_KEY_ID": "AKIA",
            "AWS_SECRET_ACCESS_KEY_FILE": str(secret),
            "AWS_ENDPOINT_URL": "https://s3.example.com/",
        }
    )

    remote = settings.remote
    assert (remote.bucket, remote.prefix, remote.region) == ("bucket", "a/b", "eu-central-1")
    assert (remote.timeout_seconds, remote.secret_access_key) == (5, "key-in-a-file")
    assert "key-in-a-file" not in repr(settings)
    assert "AKIA" not in repr(settings)


@pytest.mark.parametrize("name", ["CLERK_WEBHOOK_SIGNING_SECRET", "CLERK_WEBHOOK_SECRET"])
def test_the_secret_of_clerks_webhooks_has_two_names_and_may_come_from_a_file(tmp_path, name):
    file = tmp_path / "webhook"
    file.write_text(f"{WEBHOOK_SECRET}\n")
    key = {"CLERK_SECRET_KEY": "sk_test_your_key_here"}

    for environ in ({name: WEBHOOK_SECRET}, {f"{name}_FILE": str(file)}):
        settings = load_settings(key | environ)
        assert settings.clerk.webhook_secret == WEBHOOK_SECRET
        assert WEBHOOK_SECRET not in repr(settings)


@pytest.mark.parametrize("text", ["whsec_", "whsec_dG9vIHNob3J0", "your secret here", "sk_test_x"])
def test_what_is_no_webhook_secret_is_a_mistake(text):
    (mistake,) = mistakes_of(
        CLERK_SECRET_KEY="sk_test_your_key_here", CLERK_WEBHOOK_SIGNING_SECRET=text
    )

    assert mistake.startswith("CLERK_WEBHOOK_SIGNING_SECRET is no webhook secret")


@pytest.mark.parametrize("text", [WEBHOOK_SECRET, ""])
def test_a_webhook_secret_alone_never_starts_the_stand_in_but_may_stand_beside_it(text):
    """Whoever set it has a Clerk instance, and forgot its key."""
    secret = {"CLERK_WEBHOOK_SIGNING_SECRET": text}

    assert "Nothing says how sign-ins are verified" in mistakes_of(**secret)[0]
    assert load_settings(secret | {"DOORWARD_STANDIN": "on"}).standin


def test_limits_hold_unless_they_are_turned_off():
    by_default, off = load_settings({}), load_settings({"DOORWARD_LIMITS": "off"})
    one_off = load_settings({"DOORWARD_LIMIT_LINKS": "off", "DOORWARD_LIMIT_SEARCH": "5/1"})

    assert set(by_default.limits.rates) == set(Bucket)
    assert not off.limits.rates
    assert (by_default.plans.default.credits, off.plans.default.credits) == (5000, None)
    assert set(Bucket) - set(one_off.limits.rates) == {Bucket.LINKS}
    assert one_off.limits.rates[Bucket.SEARCH].burst == 5


def test_an_organizations_storage_holds_at_least_what_one_workspace_may():
    raised = load_settings({"DOORWARD_QUOTA_BYTES": str(1 << 40)})
    said = load_settings({"DOORWARD_ORGANIZATION_PLANS": "org_a=7/0", "DOORWARD_LIMITS": "on"})

    assert raised.plans.default.storage_bytes == 1 << 40
    assert said.plans.of("org_a") == Plan(7, None)
    assert said.plans.of("org_b") == Plan(50 << 30, 5000)


def test_behind_a_proxy_that_nobody_named_no_address_is_known():
    """Guards everybody behind it from being locked out by one who guesses tokens."""
    public = {"DOORWARD_PUBLIC_URL": "https://files.example.com", "CLERK_SECRET_KEY": "sk_test_x"}
    named = public | {"DOORWARD_TRUSTED_PROXIES": "127.0.0.1/32"}

    assert load_settings({}).knows_addresses
    assert not load_settings(public).knows_addresses
    assert load_settings(named).knows_addresses
    assert load_settings(public | {"DOORWARD_HOST": "192.0.2.1"}).knows_addresses


def test_the_password_of_the_bus_shows_itself_nowhere():
    settings = load_settings({"DOORWARD_BUS_URL": "redis://:our_bus_password@127.0.0.1/0"})

    assert "our_bus_password" not in repr(settings)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.clerk.claims import Claims, Organization, permissions_of

FIVE = "read,create,update,delete,revoke"


@pytest.mark.parametrize(
    ("fea", "per", "fpm", "expected"),
    [
        (
            "o:repositories,o:projects",
            FIVE,
            "7,21",
            (
                "repositories:read repositories:create repositories:update "
                "projects:read projects:update projects:revoke"
            ),
        ),
        ("o:dashboard,o:teams", "manage,read", "3,2", "dashboard:manage dashboard:read teams:read"),
        # A mask per feature, as documented: a person's own feature has one too.
        ("u:gold,o:projects", "read,manage", "0,3", "projects:read projects:manage"),
        # A mask per feature of the organization alone.
        ("u:gold,o:projects", "read,manage", "3", "projects:read projects:manage"),
        ("u:gold,o:projects,o:billing", "read,manage", "0,3,0", "projects:read projects:manage"),
        ("x:a,o:b", "read", "1,1", "b:read"),
        ("o:repositories,uo:projects,u:border", FIVE, "1,1,0", "repositories:read projects:read"),
        ("ou:a", "read", "1", "a:read"),
        ("o:a:b", "read", "1", "a:b:read"),
        (" o:a , o:b ", " read , write ", " 1 , 2 ", "a:read b:write"),
        ("o:a,", "read", "1", "a:read"),
        ("o:a", "read,,manage", "7", "a:read a:manage"),
        ("o:a,o:b", "read", "1", "a:read"),
        ("o:a", "read", "5", "a:read"),
        ("a", "read", "1", ""),
        ("o:a,b", "read", "1,1", ""),
        ("foo:a", "read", "1", ""),
        ("o:", "read", "1", ""),
        ("o:a", "", "1", ""),
        ("o:a", "read", "", ""),
        ("", "read", "1", ""),
        (None, "read", "1", ""),
        ("o:a", None, "1", ""),
        ("o:a", "read", 1, ""),
        ("o:a", "read", "-1", ""),
        ("o:a", "read", "+1", ""),
        ("o:a", "read", "0x1", ""),
        ("o:a", "read", "1_0", ""),
        ("o:a", "read", "\u0661", ""),
        ("o:a", "read", "1" * 101, ""),
    ],
)
def test_compact_permissions_expand_as_clerk_documents_and_odd_ones_grant_nothing(
    fea, per, fpm, expected
):
    assert permissions_of(fea, per, fpm) == tuple(f"org:{name}" for name in expected.split())


@given(*[st.none() | st.text(alphabet="ou:,ab1 270-", max_size=20)] * 3)
def test_no_compact_claim_makes_it_raise(fea, per, fpm):
    assert all(granted.startswith("org:") for granted in permissions_of(fea, per, fpm))


def test_version_2_reads_the_compact_organization_and_nothing_else():
    claims = Claims(
        {
            "sub": "user_1",
            "v": 2,
            "org_id": "org_other",
            "o": {"id": "org_1", "slg": "acme", "rol": "admin", "per": "read", "fpm": "1"},
            "fea": "o:files",
        }
    )

    assert claims.organization == Organization("org_1", "acme", "org:admin", ("org:files:read",))
    assert Claims({"v": 2, "org_id": "org_1"}).organization is None


@pytest.mark.parametrize("version", [None, "2", 3, True, 1])
def test_any_other_version_reads_the_older_claims(version):
    claims = Claims(
        {
            "v": version,
            "org_id": "org_1",
            "org_slug": "acme",
            "org_role": "org:admin",
            "org_permissions": ["org:a:b", 7],
        }
    )

    assert claims.organization == Organization("org_1", "acme", "org:admin", ("org:a:b",))


@pytest.mark.parametrize("compact", ["org_1", 5, [], {}, {"id": 5}, {"id": ""}])
def test_an_odd_organization_is_none(compact):
    assert Claims({"v": 2, "o": compact}).organization is None
    assert Claims({"org_id": compact}).organization is None or compact == "org_1"


def test_claims_read_like_a_mapping_and_do_not_show_themselves():
    claims = Claims({"sub": "user_1", "sid": "sess_1", "email": "a@example.com"})

    assert dict(claims) == {"sub": "user_1", "sid": "sess_1", "email": "a@example.com"}
    assert len(claims) == 3
    assert (claims.user_id, claims.session_id) == ("user_1", "sess_1")
    assert "a@example.com" not in repr(claims)


def test_the_rest_is_read_as_it_is_meant_or_not_at_all():
    claims = Claims({"sts": "pending", "act": {"sub": "user_2"}, "fva": [1, -1]})
    odd = Claims({"sts": 1, "act": "user_2", "fva": [1], "sid": 4})

    assert claims.session_status == "pending"
    assert claims.actor == {"sub": "user_2"}
    assert claims.factor_verification_age == (1, -1)
    assert (odd.session_status, odd.actor, odd.factor_verification_age, odd.session_id) == (
        None,
        None,
        None,
        None,
    )
    assert Claims({}).factor_verification_age is None

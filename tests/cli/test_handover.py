"""``doorward ws offer`` and what follows, as people type it, against a real server."""

import json


def test_an_offer_prints_its_link_alone_and_a_claim_says_first_what_changes(run):
    run("login", "--user", "olga")
    workspace = run("ws", "create", "Handed").stdout.strip()

    made = run("ws", "offer", "Handed", "--keep", "viewer", "--keep-for", "2d")
    link = made.stdout.strip()

    assert "/api/v1/transfers/dwt_" in link
    assert "user_olga: owner, then viewer until" in made.stderr
    run("login", "--user", "pavel")
    undecided = run("ws", "claim", link, status=2)
    assert "--yes" in undecided.stderr
    claimed = run("ws", "claim", "--yes", stdin=link + "\n")
    assert claimed.stdout.strip() == workspace
    assert "user_pavel: -, then owner" in claimed.stderr
    assert "doorward ws undo" in claimed.stderr
    again = run("ws", "claim", "--yes", link, status=1)
    assert "can't go on" in again.stderr


def test_an_offer_is_listed_cancelled_and_undone(run):
    run("login", "--user", "quinn")
    workspace = run("ws", "create", "Listed").stdout.strip()
    first = json.loads(run("ws", "offer", "Listed", "--json").stdout)

    run("ws", "cancel", "Listed", first["id"])
    second = json.loads(run("ws", "offer", "Listed", "--keep", "none", "--json").stdout)
    run("login", "--user", "rosa")
    claimed = json.loads(run("ws", "claim", second["token"], "--yes", "--json").stdout)
    listed = json.loads(run("ws", "offers", "Listed", "--json").stdout)["data"]
    run("login", "--user", "quinn")
    undone = run("ws", "undo", workspace, second["id"])

    assert claimed["state"] == "claimed"
    assert [one["state"] for one in listed] == ["claimed", "cancelled"]
    assert "user_quinn owns" in undone.stderr
    assert "quinn" in run("ws", "offers", "Listed").stdout


def test_terms_that_make_no_sense_end_with_a_sentence(run):
    run("login", "--user", "sven")
    run("ws", "create", "Odd")

    assert "not a life" in run("ws", "offer", "Odd", "--keep-for", "soon", status=2).stderr
    run("ws", "offer", "Odd", "--keep", "everything", status=1)
    run("ws", "offer", ":", status=1)

"""Where a browser really goes, told by the URL parser that Node shares with browsers."""

import random

from doorward.standin.redirects import is_loopback_origin, page_of_this_machine

COUNT = 5000
HERE = "127.0.0.1:8041"
PIECES = (
    *("http:", "https:", "javascript:", "//", "/", "\\", "\\\\", ":", "@", "?", "#", "%", "."),
    *("127.0.0.1", "localhost", "[::1]", "evil.example", ".evil.example", "127.1", "0x7f.1"),
    *(":3000", ":80@", ":", "%2e", "%5c", "%09", "\t", "\n", "\r", " ", "\0", "\u3002", "\uff0e"),
    *(
        "\uff0f",
        "\u2028",
        "\u00ad",
        "\u200b",
        "a",
        "user:pass@",
        ";",
        "'",
        '"',
        "<",
        "[",
        "]",
        "2130706433",
    ),
)


def hostile(seed, count):
    chance = random.Random(seed)
    for _ in range(count):
        start = chance.choice(["", "http://", "http://127.0.0.1", "//", "/", "http://localhost"])
        yield start + "".join(chance.choices(PIECES, k=chance.randrange(7)))


def test_no_address_that_is_taken_leads_a_browser_elsewhere(backend):
    taken = [
        address
        for text in hostile(1, COUNT)
        if (address := page_of_this_machine(text, HERE)) is not None
    ]
    hosts = backend.ask(operation="hosts", addresses=taken)

    # What a browser can't read as an address it does not go to.
    gone = [(a, host) for a, host in zip(taken, hosts, strict=True) if host is not None]
    assert [one for one in gone if not is_loopback_origin(f"http://{one[1]}")] == []
    assert COUNT // 20 < len(gone) < COUNT

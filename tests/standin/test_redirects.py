import pytest

from doorward.standin.redirects import (
    is_loopback_origin,
    origin_of,
    page_of_this_machine,
    shared_host,
)

HERE = "127.0.0.1:8041"


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:3000/",
        "http://127.0.0.1:3000/a?b=c&d=%20#e",
        "http://localhost:5173/notes",
        "https://localhost/",
        "http://[::1]:3000/",
        "http://127.8.8.8/",
    ],
)
def test_a_page_of_this_machine_is_gone_to_as_it_is_written(address):
    assert page_of_this_machine(address, HERE) == address


def test_a_path_alone_is_of_where_the_browser_is():
    assert page_of_this_machine("/notes?a=b", HERE) == f"http://{HERE}/notes?a=b"


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "http:evil.example",
        "http://127.0.0.1.evil.example/",
        "http://evil.example:3000/127.0.0.1",
        "http://127.0.0.1@evil.example/",
        "http://evil.example@127.0.0.1/",
        "http://evil.example\\@127.0.0.1/",
        "http://127.0.0.1\\.evil.example/",
        "http://127.0.0.1:3000;script-src/",
        "http://127.0.0.1:80:90/",
        "http://127.0.0.1\t.evil.example/",
        "http://127.0.0.1%2eevil.example/",
        "http://127.0.0.1%25.evil.example/",
        "http://0.0.0.0:3000/",
        "http://2130706433/",
        "http://[::1/",
        "http://[evil.example]/",
        "http://localhost.evil.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://127.0.0.1/",
    ],
)
def test_a_browser_is_never_sent_elsewhere(address):
    goes_to = page_of_this_machine(address, HERE)

    assert goes_to is None or goes_to.startswith(f"http://{HERE}/")


def test_a_line_break_never_reaches_a_header():
    goes_to = page_of_this_machine("/a\r\nSet-Cookie: b=c", HERE)

    assert goes_to == f"http://{HERE}/a%0D%0ASet-Cookie:%20b=c"


def test_letters_beyond_ascii_and_backslashes_are_escaped():
    assert page_of_this_machine("/\\evil.example", HERE) == f"http://{HERE}/%5Cevil.example"
    assert page_of_this_machine("/caf\u00e9", HERE) == f"http://{HERE}/caf%C3%A9"


@pytest.mark.parametrize(
    ("origin", "here"),
    [
        ("http://127.0.0.1:3000", True),
        ("https://localhost", True),
        ("http://[::1]:3000", True),
        ("null", False),
        ("", False),
        ("http://evil.example", False),
        ("http://127.0.0.1.evil.example:80", False),
        ("file://127.0.0.1", False),
        ("http://127.0.0.1:3000/", False),
    ],
)
def test_an_origin_is_this_machines_only_by_its_whole_name(origin, here):
    assert is_loopback_origin(origin) is here


def test_an_origin_is_an_address_without_its_path():
    assert origin_of("http://localhost:3000/a?b#c") == "http://localhost:3000"


@pytest.mark.parametrize(
    ("host", "address", "shared"),
    [
        ("127.0.0.1:8041", "http://localhost:3000/", "localhost:8041"),
        ("localhost:8041", "http://127.0.0.1:3000/", "127.0.0.1:8041"),
        ("localhost", "http://127.0.0.1/", "127.0.0.1"),
        ("127.0.0.1:8041", "http://127.0.0.1:3000/", None),
        ("127.0.0.1:8041", "http://[::1]:3000/", None),
        ("[::1]:8041", "http://localhost:3000/", None),
    ],
)
def test_the_name_that_shares_cookies_is_found(host, address, shared):
    assert shared_host(host, address) == shared

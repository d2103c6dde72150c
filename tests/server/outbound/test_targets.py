"""How URLs are read."""

from contextlib import suppress
from ipaddress import IPv4Address
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.server.outbound.targets import redirected, target_of
from doorward.server.problems import AddressNotAllowed


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("http://example.com", "http://example.com/"),
        ("HTTPS://EXAMPLE.com:443/A?b=c#d", "https://example.com/A?b=c"),
        ("http://example.com.:8080/", "http://example.com:8080/"),
        ("http://bücher.example/ä b".replace(" ", "%20"), None),
        ("http://[2606:4700:0::1111]/", "http://[2606:4700::1111]/"),
        ("http://1.1.1.1:81/a//b/../c", "http://1.1.1.1:81/a//b/../c"),
        ("http://a_b.example/%41?x=%2F&y=ü", "http://a_b.example/%41?x=%2F&y=%C3%BC"),
    ],
)
def test_a_plain_url_is_read_as_it_is_meant(url, read):
    expected = read or "http://xn--bcher-kva.example/%C3%A4%20b"
    assert str(target_of(url)) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "ftp://example.com/",
        "javascript:alert(1)",
        "http://",
        "http:///path",
        "http:example.com",
        "http://user@example.com/",
        "http://user:word@example.com/",
        "http://@example.com/",
        "http://example.com:0/",
        "http://example.com:99999/",
        "http://example.com:8o/",
        "http://127.1/",
        "http://0x7f.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://127.0.0.1.1/",
        "http://①②⑦.⓪.⓪.①/",
        "http://１２７.0.0.1/",  # noqa: RUF001
        "http://ex。ample.com/",
        "http://example..com/",
        "http://-example.com/",
        "http://%31%32%37.0.0.1/",
        "http://[fe80::1%25lo]/",
        "http://[::1%lo]/",
        "http://[127.0.0.1]/",
        "http://[::1/",
        "http://example.com\\@127.0.0.1/",
        "http://example.com /",
        " http://example.com/",
        "http://exam\tple.com/",
        "http://example.com/a\r\nHost: other",
        "http://example.com/\x00",
        "http://example.com/\ud800",
        "http://" + "a" * 64 + ".example/",
        "http://" + "a." * 130 + "example/",
        "http://example.com/" + "a" * 5000,
    ],
)
def test_any_other_is_refused(url):
    with pytest.raises(AddressNotAllowed):
        target_of(url)


@pytest.mark.parametrize(
    ("location", "led"),
    [
        ("/b", "https://example.com/b"),
        ("b?c", "https://example.com/a/b?c"),
        ("//other.example/", "https://other.example/"),
        ("https://other.example:8443/x", "https://other.example:8443/x"),
    ],
)
def test_a_redirect_leads_where_it_says(location, led):
    assert str(redirected(target_of("https://example.com/a/x"), location)) == led


@pytest.mark.parametrize(
    "location",
    ["http://example.com/", "file:///etc/passwd", "gopher://x/", "https://u@x/", "https://[::1"],
)
def test_a_redirect_that_gives_up_tls_or_leaves_the_web_is_refused(location):
    with pytest.raises(AddressNotAllowed):
        redirected(target_of("https://example.com/"), location)


@given(st.text(max_size=60), st.sampled_from(["http://", "https://", "http:", ""]))
def test_whatever_is_read_is_one_plain_host_and_one_line(text, start):
    with suppress(AddressNotAllowed):
        target = target_of(start + text)
        assert str(target).isascii()
        assert str(target).isprintable()
        assert " " not in str(target)
        again = urlsplit(str(target))
        assert again.hostname == target.host
        assert target_of(str(target)) == target


@given(st.integers(0, 2**32 - 1), st.sampled_from(["{}", "0x{:x}", "0{:o}"]))
def test_an_ipv4_address_is_read_in_its_usual_form_only(number, form):
    usual = str(IPv4Address(number))
    assert target_of(f"http://{usual}/").host == usual
    with pytest.raises(AddressNotAllowed):
        target_of(f"http://{form.format(number)}/")

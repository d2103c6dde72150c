"""Requests to real servers on loopback, some of which mean harm."""

import asyncio
import gzip
import ssl
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from doorward.server.outbound.sending import Bounds, Outbound, Request
from doorward.server.problems import AddressNotAllowed, TooManyRequests, UpstreamFailed
from origins import Origin, Untouched, head, page, redirect

LOOPBACK = (ip_network("127.0.0.0/8"),)
SOON = Bounds(connect_seconds=2, head_seconds=0.5, idle_seconds=0.3, host_connections_max=2)


def ask(outbound, url, *, bytes_max=1 << 20, seconds_max=5.0, **request):
    async def asked():
        async with outbound.send(Request(url, **request)) as answer:
            return answer, await answer.read(bytes_max, seconds_max)

    return asyncio.run(asked())


def names(**known):
    """A resolver that gives one list of addresses after another."""
    answers = {name.replace("_", "."): iter(lists) for name, lists in known.items()}

    async def resolve(host, _):
        return next(answers[host])

    return resolve


def test_an_answer_comes_as_it_was_sent():
    with Origin({"/a": page(b"bytes", Content_Type="text/plain")}) as origin:
        answer, body = ask(Outbound(LOOPBACK), f"{origin.url}/a?b=c")

    assert (answer.status, body) == (200, b"bytes")
    assert answer.headers["content-type"] == "text/plain"
    assert origin.asked[0].path == "/a?b=c"
    assert origin.asked[0].headers["host"] == f"127.0.0.1:{origin.port}"
    assert origin.asked[0].headers["accept-encoding"] == "identity"


def test_a_body_is_sent_and_a_redirect_of_it_is_not_followed():
    with Origin({"/a": redirect("/b", 307), "/b": page(b"")}) as origin:
        answer, _ = ask(Outbound(LOOPBACK), f"{origin.url}/a", method="POST", content=b"{}")

    assert answer.status == 307
    assert origin.asked[0].headers["content-length"] == "2"
    assert len(origin.asked) == 1


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "0.0.0.0",  # noqa: S104 - an address to be refused
        "[::]",
        "①②⑦.0.0.1",
        "user@127.0.0.1",
        "example.com@127.0.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
    ],
)
def test_no_form_of_an_address_leads_inside(host):
    with Untouched() as inside, Untouched("::1") as inside6:
        for port in (inside.port, inside6.port):
            with pytest.raises(AddressNotAllowed) as refusal:
                ask(Outbound(), f"http://{host}:{port}/")
            assert "127" not in refusal.value.detail
            assert not refusal.value.extra


def test_a_name_with_one_address_inside_is_refused_whatever_the_others_are():
    with Untouched() as inside:
        outbound = Outbound(resolve=names(a_example=[["93.184.216.34", "127.0.0.1"]]))
        with pytest.raises(AddressNotAllowed):
            ask(outbound, f"http://a.example:{inside.port}/")


def test_a_name_that_is_not_there_can_not_be_told_from_one_inside():
    async def nowhere(*_):
        raise OSError

    for outbound in (
        Outbound(resolve=nowhere),
        Outbound(resolve=names(a_example=[["10.0.0.1"]])),
        Outbound(resolve=names(a_example=[[]])),
    ):
        with pytest.raises(AddressNotAllowed) as refusal:
            ask(outbound, "http://a.example/")
        assert refusal.value.detail == AddressNotAllowed.advice


def test_a_connection_goes_to_the_address_that_was_judged_however_the_name_changes():
    with Origin({"/": page(b"judged")}, host="127.0.0.2") as origin:
        changing = names(a_example=[["127.0.0.2"], ["127.0.0.1"]])
        only_it = Outbound([ip_network("127.0.0.2/32")], resolve=changing)
        url = f"http://a.example:{origin.port}/"

        assert ask(only_it, url)[1] == b"judged"
        with pytest.raises(AddressNotAllowed):
            ask(only_it, url)
    assert len(origin.asked) == 1


def test_a_redirect_is_judged_as_the_first_address_was():
    with Untouched() as inside, Origin({}, host="127.0.0.2") as origin:
        outbound = Outbound([ip_network("127.0.0.2/32")])
        for location in (
            f"http://127.0.0.1:{inside.port}/",
            f"//localhost:{inside.port}/",
            f"http://[::ffff:127.0.0.1]:{inside.port}/",
            "http://169.254.169.254/latest/meta-data/",
            "file:///etc/passwd",
            "gopher://127.0.0.1:6379/_FLUSHALL",
            "http://u@127.0.0.2/",
        ):
            origin.pages["/"] = redirect(location)
            with pytest.raises(AddressNotAllowed):
                ask(outbound, f"{origin.url}/")


def test_five_redirects_are_followed_and_no_more():
    pages = {f"/{n}": redirect(f"/{n + 1}", (301, 302, 303, 307, 308)[n % 5]) for n in range(7)}
    with Origin(pages | {"/7": page(b"end")}) as origin:
        answer, body = ask(Outbound(LOOPBACK), f"{origin.url}/2")
        assert (answer.target.path, body) == ("/7", b"end")
        with pytest.raises(UpstreamFailed):
            ask(Outbound(LOOPBACK), f"{origin.url}/1")


def test_a_body_longer_or_slower_than_it_may_be_is_cut_off():
    never = threading.Event()
    pages = {
        "/endless": lambda _: (head() if n == 0 else b"x" * 65536 for n in range(10**9)),
        "/slow": lambda _: [head(Content_Length=2), b"x", never],
        "/headless": lambda _: [never],
        "/short": lambda _: [head(Content_Length=10), b"x"],
        "/garbage": lambda _: [b"SSH-2.0-x\r\n\r\n"],
        "/heads": lambda _: (b"HTTP/1.1 100 Continue\r\n\r\n" for _ in range(10**9)),
        "/header": lambda _: (
            b"HTTP/1.1 200 X\r\nA: " if n == 0 else b"a" * 999 for n in range(10**9)
        ),
        "/drip": lambda _: [head(Transfer_Encoding="chunked"), b"1;" + b"a" * 300_000, never],
    }
    with Origin(pages) as origin:
        for path in pages:
            with pytest.raises(UpstreamFailed) as refusal:
                ask(Outbound(LOOPBACK, bounds=SOON), origin.url + path, bytes_max=1 << 18)
            assert refusal.value.detail == UpstreamFailed.advice
        never.set()


def test_a_body_may_have_as_many_bytes_as_are_allowed_and_not_one_more():
    with Origin({"/": page(b"x" * 10)}) as origin:
        assert ask(Outbound(LOOPBACK), f"{origin.url}/", bytes_max=10)[1] == b"x" * 10
        with pytest.raises(UpstreamFailed):
            ask(Outbound(LOOPBACK), f"{origin.url}/", bytes_max=9)


def test_a_packed_body_is_not_unpacked():
    bomb = gzip.compress(bytes(50 << 20))
    with Origin({"/": page(bomb, Content_Encoding="gzip")}) as origin:
        assert ask(Outbound(LOOPBACK), f"{origin.url}/")[1] == bomb


def test_nobody_there_is_an_upstream_that_failed():
    with Origin({}) as gone:
        pass
    with pytest.raises(UpstreamFailed):
        ask(Outbound(LOOPBACK), f"{gone.url}/")


def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    with Untouched() as proxy, Origin({"/": page(b"direct")}) as origin:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert ask(Outbound(LOOPBACK), f"{origin.url}/")[1] == b"direct"


def test_one_host_gets_so_many_connections_at_once_and_no_more():
    async def crowded(outbound, url):
        async with outbound.send(Request(url)), outbound.send(Request(url)):
            with pytest.raises(TooManyRequests) as refusal:
                async with outbound.send(Request(url)):
                    pass
            assert "Retry-After" in refusal.value.headers
        async with outbound.send(Request(url)) as answer:
            return answer.status

    with Origin({"/": page(b"")}) as origin:
        outbound = Outbound(LOOPBACK, bounds=SOON)
        assert asyncio.run(crowded(outbound, f"{origin.url}/")) == 200


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    """An authority, and a certificate of it for ``a.example``."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "both.pem").write_bytes(pem)
    (folder / "authority.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "both.pem")
    return server, str(folder / "authority.pem")


def test_a_certificate_has_to_name_the_host_and_come_from_a_known_authority(certified):
    server, authority = certified
    known = ssl.create_default_context(cafile=authority)
    resolve = names(a_example=[["127.0.0.1"]] * 2, b_example=[["127.0.0.1"]])
    with Origin({"/": page(b"safe"), "/down": redirect("http://a.example/")}, tls=server) as origin:
        trusting = Outbound(LOOPBACK, tls=known, resolve=resolve)
        url = f"https://a.example:{origin.port}"

        assert ask(trusting, f"{url}/")[1] == b"safe"
        with pytest.raises(AddressNotAllowed):
            ask(trusting, f"{url}/down")
        with pytest.raises(UpstreamFailed):
            ask(trusting, f"https://b.example:{origin.port}/")
        with pytest.raises(UpstreamFailed):
            ask(Outbound(LOOPBACK, resolve=names(a_example=[["127.0.0.1"]])), f"{url}/")

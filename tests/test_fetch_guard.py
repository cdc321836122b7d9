"""What must not be fetched is not, however it is spelt, resolved or redirected to (OSSA-2026-004, OSSN-0078)."""

import ssl
import subprocess
from ipaddress import ip_address
from pathlib import Path

import pytest
from yarl import URL

from drivers.blobs.addresses import may_connect, parse_networks
from drivers.blobs.guard import parse_url
from drivers.blobs.options import BlobOptions
from drivers.errors import FetchRefused, StoreUnavailable
from tests.web_server import Names, answer, fetch, fetching, scripted, to

NOWHERE = BlobOptions(timeout=5)
HELLO = answer("200 OK", b"hello")

FORBIDDEN = (
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
)
PUBLIC = ("1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "2606:4700::1", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8")


@pytest.mark.parametrize("address", FORBIDDEN)
def test_an_address_that_is_not_the_publics_is_refused(address: str) -> None:
    assert not may_connect(address, ())


@pytest.mark.parametrize("address", FORBIDDEN)
def test_any_address_can_be_allowed_by_its_network(address: str) -> None:
    meant = ip_address(address)
    embedded = meant.version == 6 and address.startswith(("::ffff:", "64:ff9b::"))
    block = f"{address.rpartition(':')[2]}/32" if embedded else f"{address}/{meant.max_prefixlen}"
    assert may_connect(address, parse_networks([block]))
    assert not may_connect(address, parse_networks(["203.0.113.0/24", "2001:db8:1::/48"]))


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    assert may_connect(address, ())


def test_a_network_that_is_allowed_lets_nothing_else_pass_inside_of_it() -> None:
    assert not may_connect("64:ff9b::10.0.0.1", parse_networks(["64:ff9b::/96"]))
    assert not may_connect("::ffff:10.0.0.1", parse_networks(["::/0"]))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "image",
        "//host/image",
        "http:",
        "http://",
        "http:///image",
        "http:host",
        "ftp://host/image",
        "file:///etc/passwd",
        "gopher://host/image",
        "javascript:alert(1)",
        "http://2130706433/",
        "http://127.1/",
        "http://10.1/",
        "http://0177.0.0.01/",
        "http://017700000001/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://127.0.0.0x1/",
        "http://127.0.0.1./",
        "http://127.0.0.01/",
        "http://1.2.3.4.5/",
        "http://256.0.0.1/",
        "http://[127.0.0.1]/",
        "http://[::1",
        "http://[::1]x/",
        "http://[fe80::1%25eth0]/",
        "http://[1::%]/",
        "http://[v1.a:b]/",
        "http://%31%32%37.0.0.1/",
        "http://.",
        "http://..",
        "http://a..b/",
        "http://-/",
        "http://a,b/",
        "http://user@host/",
        "http://user:hunter2@host/",
        "http://:hunter2@host/",
        "http://host:0/",
        "http://host:65536/",
        "http://host:-1/",
        "http://host:port/",
        "http://host\\@evil/",
        "http://host/\\",
        "http://host/ image",
        "http://host/\r\nX-Auth-Token: a",
        "http://host/\0",
        "\thttp://host/",
        " http://host/",
        "http://host/" + "a" * 9000,
        "http://\ud800/",
    ],
)
async def test_a_url_that_is_not_plainly_http_is_refused_without_being_quoted(url: str) -> None:
    async with fetching(resolver=Names()) as fetcher:
        for attempt in (fetcher.check, fetcher.open, fetcher.size):
            with pytest.raises(FetchRefused) as refusal:
                await attempt(url)
            assert "hunter2" not in str(refusal.value)
            assert "does not exist" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://host",
        "https://host:8443/a?b=c+d%2Be",
        "HTTP://Host/",
        "http://xn--bcher-kva.example/",
        "http://[2606:4700::1]/",
    ],
)
def test_a_plain_url_is_accepted(url: str) -> None:
    assert parse_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://127\N{IDEOGRAPHIC FULL STOP}0.0.1/",
        "http://\N{FULLWIDTH DIGIT ONE}\N{FULLWIDTH DIGIT TWO}\N{FULLWIDTH DIGIT SEVEN}.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://private.example/",
        "http://mixed.example/",
        "http://mapped.example/",
    ],
)
async def test_a_host_that_must_not_be_reached_is_refused(url: str) -> None:
    names = Names(
        private_example=[["192.168.0.1"]],
        mixed_example=[["8.8.8.8", "127.0.0.1"]],
        mapped_example=[["::ffff:10.0.0.1"]],
    )
    async with fetching(NOWHERE, resolver=names) as fetcher:
        for attempt in (fetcher.check, fetcher.open, fetcher.size):
            with pytest.raises(FetchRefused, match="address"):
                await attempt(url)


async def test_a_host_that_does_not_exist_is_refused() -> None:
    async with fetching(resolver=Names()) as fetcher:
        for attempt in (fetcher.check, fetcher.open, fetcher.size):
            with pytest.raises(FetchRefused, match="does not exist"):
                await attempt("http://nowhere.example/")


async def test_a_name_is_resolved_by_the_machine_unless_told_otherwise() -> None:
    async with fetching(NOWHERE) as fetcher:
        with pytest.raises(FetchRefused, match="address"):
            await fetcher.open("http://localhost/")


async def test_a_name_that_changes_its_address_leads_only_to_the_one_that_was_checked() -> None:
    # The first answer is the guard's to see, the second would be a victim's.
    names = Names(rebinding_example=[["127.0.0.1"], ["127.0.0.2"]])
    only = BlobOptions(timeout=5, allowed_networks=("127.0.0.1/32",))
    async with scripted(HELLO) as server, fetching(only, resolver=names) as fetcher:
        url = f"http://rebinding.example:{server.port}/image"
        assert await fetch(fetcher, url) == b"hello"
        assert names.asked == ["rebinding.example"]
        with pytest.raises(FetchRefused):
            await fetcher.open(url)
    assert [line for line in server.requests[0].split("\r\n") if line.startswith("Host:")] == [
        f"Host: rebinding.example:{server.port}"
    ]


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.2/", "http://169.254.169.254/", "http://2130706433/", "ftp://host/", "//[::1]/", "file:///a", ""],
)
async def test_a_redirect_is_checked_as_the_first_url_is(status: str, target: str) -> None:
    only = BlobOptions(timeout=5, allowed_networks=("127.0.0.1/32",))
    async with scripted(to(target, status), to("http://127.0.0.2/")) as server, fetching(only) as fetcher:
        with pytest.raises(FetchRefused):
            await fetcher.open(server.url)


async def test_a_redirect_is_followed_relative_and_absolute() -> None:
    async with scripted(to("other?a=b"), to("/third"), HELLO) as server, fetching() as fetcher:
        assert await fetch(fetcher, server.url) == b"hello"
    assert [head.split()[1] for head in server.requests] == ["/image", "/other?a=b", "/third"]


async def test_redirects_end() -> None:
    async with scripted(to("/image")) as server, fetching() as fetcher:
        with pytest.raises(StoreUnavailable, match="redirects more than 5 times"):
            await fetcher.open(server.url)
    assert len(server.requests) == 6


async def test_credentials_stay_with_the_origin_they_were_given_for() -> None:
    token = {"X-Auth-Token": "hunter2"}
    async with scripted(HELLO) as stranger, scripted(to("/here"), to(stranger.url)) as server, fetching() as fetcher:
        await (await fetcher.open(server.url, headers=token)).close()
    assert ["hunter2" in head for head in server.requests] == [True, True]
    assert ["hunter2" in head for head in stranger.requests] == [False]


async def test_a_certificate_is_asked_for_by_name_and_judged_by_it(tmp_path: Path) -> None:
    names = Names(right_example=[["127.0.0.1"]], wrong_example=[["127.0.0.1"]])
    served, trusting, asked = certificate("right.example", tmp_path)
    async with scripted(HELLO, tls=served) as server, fetching(resolver=names, tls=trusting) as fetcher:
        assert await fetch(fetcher, f"https://right.example:{server.port}/image") == b"hello"
        for url in (f"https://wrong.example:{server.port}/", f"https://127.0.0.1:{server.port}/"):
            with pytest.raises(StoreUnavailable):
                await fetcher.open(url)
    assert asked == ["right.example", "wrong.example", None]


def certificate(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext, list[str | None]]:
    """Give what serves as this name, what trusts it, and the names by which it was asked for."""
    command = (
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    )
    names = ("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", "key", "-out", "certificate")
    subprocess.run([*command, *names], cwd=folder, check=True, capture_output=True)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(folder / "certificate", folder / "key")
    asked: list[str | None] = []
    served.sni_callback = lambda _socket, name, _context: asked.append(name)
    return served, ssl.create_default_context(cafile=str(folder / "certificate")), asked


async def test_cookies_are_not_kept() -> None:
    async with (
        scripted(answer("302 Found", Location="/image", Set_Cookie="a=b; Path=/"), HELLO) as server,
        fetching() as fetcher,
    ):
        await (await fetcher.open(server.url)).close()
    assert not any("Cookie" in head for head in server.requests)


async def test_the_environments_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    async with scripted(HELLO) as server, fetching() as fetcher:
        assert await fetch(fetcher, server.url) == b"hello"


async def test_the_operators_rules_are_asked_about_every_url() -> None:
    asked: list[str] = []

    def allowed(url: URL) -> None:
        asked.append(url.path)
        if url.path == "/forbidden":
            raise FetchRefused("The operator forbids the path.")

    async with scripted(to("/forbidden"), HELLO) as server, fetching(allowed=allowed) as fetcher:
        with pytest.raises(FetchRefused, match="operator"):
            await fetcher.open(server.url)
        with pytest.raises(FetchRefused, match="operator"):
            await fetcher.check(server.url.replace("image", "forbidden"))
    assert asked == ["/image", "/forbidden", "/forbidden"]
    assert len(server.requests) == 1

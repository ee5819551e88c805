"""The machine's variables for proxies and certificates: used, or named in one line that quotes no value."""

from pathlib import Path

import httpx
import pytest
import trustme

from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import Unreachable
from rasa_kustomer.kustomer.network import NetworkSettingError, read_network

KUSTOMER = "https://acme.api.kustomerapp.com"
PASSWORD = "hunter2"
PROXY = f"http://bot:{PASSWORD}@proxy.example:3128"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
        "ssl_cert_file",
        "ssl_cert_dir",
        "sslkeylogfile",
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"])
@pytest.mark.parametrize(
    "value",
    [
        f"socks5://bot:{PASSWORD}@127.0.0.1:7890",  # the package for it is not installed
        f"socks4://bot:{PASSWORD}@127.0.0.1:7890",
        f"ftp://bot:{PASSWORD}@proxy.example",
        f"http://bot:{PASSWORD}@proxy.example:port",
        f"http://bot:{PASSWORD}@proxy.example:99999",
        f"http://bot:{PASSWORD}@proxy..example:3128",
        f"http://bot:{PASSWORD}@[::1",
        f"http://bot:{PASSWORD}@",
        f"bot:{PASSWORD}@xn--a:80",
        f"http://bot:{PASSWORD}@proxy.example:3128\r",
        f"http://bot:{PASSWORD}@pro xy.example",
        "http://",
        f"://{PASSWORD}",
        f'"http://bot:{PASSWORD}@proxy.example:3128"',
    ],
)
def test_a_proxy_that_cannot_be_used_is_one_line_with_the_variable_and_no_password(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(NetworkSettingError) as raised:
        read_network(KUSTOMER)

    assert str(raised.value).startswith(f"{name}: ")
    assert PASSWORD not in str(raised.value)
    assert "\n" not in str(raised.value)
    monkeypatch.setenv(name, PROXY)
    read_network(KUSTOMER)


@pytest.mark.parametrize(
    ("variables", "address", "proxied"),
    [
        ({}, KUSTOMER, False),
        ({"HTTPS_PROXY": PROXY}, KUSTOMER, True),
        ({"all_proxy": "proxy.example:3128"}, KUSTOMER, True),
        ({"HTTP_PROXY": PROXY}, KUSTOMER, False),
        ({"HTTPS_PROXY": PROXY, "HTTP_PROXY": PROXY}, "http://127.0.0.1:5056", False),
        ({"ALL_PROXY": PROXY}, "http://[::1]:5056", False),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, KUSTOMER, False),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "localhost, kustomerapp.com"}, KUSTOMER, False),
        ({"HTTPS_PROXY": PROXY, "no_proxy": ".kustomerapp.com"}, KUSTOMER, False),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "acme.api.kustomerapp.com:443"}, KUSTOMER, False),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "acme.api.kustomerapp.com:8443"}, KUSTOMER, True),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "http://acme.api.kustomerapp.com"}, KUSTOMER, True),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "tomerapp.com"}, KUSTOMER, True),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8,fd07::/64"}, KUSTOMER, True),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8"}, "https://10.1.2.3", False),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "fd07::/64"}, "https://[fd07::1]", False),
    ],
)
def test_which_way_kustomer_is_reached(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], address: str, proxied: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    network = read_network(address)

    assert (network.proxy is not None) is proxied
    assert network.skipped == ()


@pytest.mark.parametrize("entry", ["http://[", "a b", "fd07::/640", "host:port", "\u200bx"])
def test_an_exception_that_cannot_be_read_is_left_out_with_a_line(monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", f"localhost,{entry},kustomerapp.com")
    network = read_network(KUSTOMER)

    (line,) = network.skipped
    assert line.startswith("NO_PROXY: entry 2 ")
    assert network.proxy is None


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"])
@pytest.mark.parametrize("what", ["missing", "empty", "text", "folder", "below a file"])
def test_a_file_that_cannot_be_used_is_one_line_with_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, what: str
) -> None:
    if name == "SSLKEYLOGFILE" and what in {"missing", "empty", "text"}:
        return  # a log is made, or written on
    path = tmp_path / "file"
    (tmp_path / "other").touch()
    if what == "folder":
        path.mkdir()
    elif what in {"empty", "text"}:
        path.write_text("no certificate" if what == "text" else "")
    monkeypatch.setenv(name, str(tmp_path / "other" / "x") if what == "below a file" else str(path))
    with pytest.raises(NetworkSettingError, match=f"^{name}: ") as raised:
        read_network(KUSTOMER)
    assert "\n" not in str(raised.value)

    monkeypatch.delenv(name)
    read_network(KUSTOMER)


def test_certificates_in_a_file_or_by_their_hashes_in_a_folder_are_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.cert_pem.write_to_path(tmp_path / "0a1b2c3d.0")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert len(read_network(KUSTOMER).certificates.get_ca_certs()) == 1

    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path}:/nowhere")
    read_network(KUSTOMER)


async def test_a_client_reads_them_with_its_first_request_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    async with KustomerClient(KUSTOMER, "key") as client:
        with pytest.raises(Unreachable, match="SSL_CERT_FILE"):
            await client.teams()

    async with KustomerClient(KUSTOMER, "key", transport=httpx.MockTransport(lambda _: httpx.Response(500))) as client:
        with pytest.raises(Unreachable, match="500"):
            await client.create_customer({})

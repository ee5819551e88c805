"""How Kustomer is reached: by which proxy, and whose certificates are believed.

httpx reads the same variables by itself, but ends in errors that name none of them and may show a proxy's password. So
they are read here, once, and httpx is told not to.
"""

import ipaddress
import os
import re
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import getproxies

import certifi
import httpx

from rasa_kustomer.kustomer.address import read_address

PROXIES = ("http", "https", "all")
_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_PROXY = "http://proxy.example:3128"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})  # a proxy cannot reach the sandbox
_EXCEPTION = re.compile(r"(?P<scheme>\w+://)?\*?\.?(?P<host>[\w.-]+)(:(?P<port>\d{1,5}))?")
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")


class NetworkSettingError(RuntimeError):
    """A variable of the machine cannot be used; the message is one line that names it, and quotes no value."""


@dataclass(frozen=True)
class Network:
    """What a client needs to reach one address.

    Attributes:
        certificates: Whom to believe.
        proxy: None for a direct connection.
        skipped: One line for each exception from the proxies that cannot be read and was left out.
    """

    certificates: ssl.SSLContext
    proxy: httpx.Proxy | None
    skipped: tuple[str, ...] = ()


def read_network(address: str) -> Network:
    """Read the machine's variables.

    Args:
        address: Where Kustomer is.

    Raises:
        NetworkSettingError: One of them cannot be used, whether or not this address needs it.
    """
    certificates = _certificates()
    found = getproxies()
    proxies = {scheme: _proxy(scheme, found[scheme], certificates) for scheme in PROXIES if found.get(scheme)}
    url = httpx.URL(address)
    excepted, skipped = _excepted(url, found.get("no", ""))
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return Network(certificates, None if excepted or url.host in _LOOPBACK else proxy, skipped)


def _proxy(scheme: str, value: str, certificates: ssl.SSLContext) -> httpx.Proxy:
    try:
        address = read_address(value if "://" in value else f"http://{value}")
    except ValueError as error:
        raise _unusable_proxy(scheme, str(error)) from None
    try:
        proxy = httpx.Proxy(address)
    except ValueError:
        raise _unusable_proxy(scheme, "has a scheme that is none of http, https and socks5") from None
    try:
        httpx.AsyncHTTPTransport(proxy=proxy, verify=certificates)  # it looks for the package that it needs
    except ImportError:
        raise _unusable_proxy(scheme, 'SOCKS needs one more package: pip install "httpx[socks]"') from None
    return proxy


def _unusable_proxy(scheme: str, what: str) -> NetworkSettingError:
    name = _variable(f"{scheme}_proxy")
    return NetworkSettingError(f"{name}: {what}. Example: {name}={_PROXY}")


def _variable(name: str) -> str:
    """The variable's name as it is written in this environment; small letters go first, as in Python itself."""
    written = [one for one in os.environ if one.lower() == name and os.environ[one]]
    return name if name in written else next(iter(written), "the proxy in the system's settings")


def _excepted(url: httpx.URL, exceptions: str) -> tuple[bool, tuple[str, ...]]:
    """Whether NO_PROXY names the address, and a line for each of its entries that cannot be read."""
    excepted, skipped = False, []
    for number, entry in enumerate((one.strip() for one in exceptions.split(",")), start=1):
        match = _matches(url, entry) if entry else False
        if match is None:
            name = _variable("no_proxy")
            skipped.append(
                f"{name}: entry {number} is neither a host nor a network and is left out. Example: {name}=localhost"
            )
        excepted |= bool(match)
    return excepted, tuple(skipped)


def _matches(url: httpx.URL, entry: str) -> bool | None:
    """Whether an entry is about the address; None when it cannot be read."""
    if entry == "*":
        return True
    if (network := _network(entry)) is not None:
        host = _network(url.host)
        return host is not None and host.network_address in network
    read = _EXCEPTION.fullmatch(entry)
    if read is None:
        return None
    host_name, port = read["host"].lower(), url.port or {"https": 443, "http": 80}.get(url.scheme)
    return (
        (url.host == host_name or url.host.endswith(f".{host_name}"))
        and read["scheme"] in {None, "all://", f"{url.scheme}://"}
        and read["port"] in {None, str(port)}
    )


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return None


def _certificates() -> ssl.SSLContext:
    """Whom to believe; SSL_CERT_FILE goes before SSL_CERT_DIR, and without both it is Mozilla's list."""
    file, folders = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    with _named("SSLKEYLOGFILE", "/tmp/tls-keys.log"):  # noqa: S108 - an example
        if (log := os.environ.get("SSLKEYLOGFILE")) and not sys.flags.ignore_environment:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).keylog_filename = log
    if file:
        with _named("SSL_CERT_FILE", _BUNDLE):
            return ssl.create_default_context(cafile=file)
    if folders:
        with _named("SSL_CERT_DIR", str(Path(_BUNDLE).parent)):
            return ssl.create_default_context(capath=_with_certificates(folders))
    with _named("OPENSSL_CONF" if os.environ.get("OPENSSL_CONF") else "the list of authorities (certifi)", ""):
        return ssl.create_default_context(cafile=certifi.where())


def _with_certificates(folders: str) -> str:
    listed = [Path(one) for one in folders.split(os.pathsep) if one]
    if not any(_HASHED.fullmatch(file.name) for folder in listed for file in folder.iterdir()):
        raise ValueError("holds no certificates by their hashes; run openssl rehash on it")
    return folders


@contextmanager
def _named(name: str, example: str) -> Iterator[None]:
    """Whatever fails within is the fault of this variable."""
    try:
        yield
    except ssl.SSLError:
        what = "holds no certificate in PEM form"
    except OSError as error:
        what = f"cannot be used: {error.strerror or type(error).__name__}"
    except ValueError as error:
        what = str(error)
    else:
        return
    raise NetworkSettingError(f"{name}: {what}." + (f" Example: {name}={example}" if example else ""))

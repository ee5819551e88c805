"""How Kustomer is reached: by which address and proxy, with which trusted certificates, and what is logged.

httpx reads the same variables by itself, but its errors name none of them and may show a proxy's password. So they are
read here, once, and httpx does not read them.
"""

import ipaddress
import logging
import os
import re
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from urllib.request import getproxies

import certifi
import httpx

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_MAX_HOST = 253
_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_PROXY = "http://proxy.example:3128"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})  # a proxy cannot reach the sandbox
_EXCEPTION = re.compile(r"(?P<scheme>\w+://)?\*?\.?(?P<host>[\w.-]+)(:(?P<port>\d{1,5}))?")
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")
# Each logger by itself: a logger's filters do not see what those below it log.
_LOGGERS = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))
_our_request: ContextVar[bool] = ContextVar("kustomer_request", default=False)


class NetworkSettingError(RuntimeError):
    """A variable of the machine cannot be used; the message is one line that names it, and quotes no value."""


@dataclass(frozen=True)
class Network:
    """What a client needs to reach one address.

    Attributes:
        certificates: Which authorities to trust.
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
    certificates, found, url = _certificates(), getproxies(), httpx.URL(address)
    proxies = {name: _proxy(name, found[name], certificates) for name in ("http", "https", "all") if found.get(name)}
    excepted, skipped = _excepted(url, found.get("no", ""))
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return Network(certificates, None if excepted or url.host in _LOOPBACK else proxy, skipped)


def read_address(text: str) -> httpx.URL:
    """Check an address before a connection is tried, since the network's errors name no setting.

    Raises:
        ValueError: Says what is wrong and quotes nothing, since the address may hold a password.
    """
    if any(character.isspace() or not character.isprintable() for character in text):
        raise ValueError("contains whitespace or an invisible character")
    try:
        url = httpx.URL(text)
        host, port = url.host, url.port  # reading them judges international names too
    except (httpx.InvalidURL, ValueError):
        raise ValueError("is not an address like https://host:port") from None
    if not host:
        raise ValueError("has no host name")
    if not _is_host(host, url.raw_host.decode("ascii", "replace")):
        raise ValueError("has an invalid host name")
    if port is not None and not 1 <= port <= 65_535:
        raise ValueError("has a port that is not between 1 and 65535")
    return url


def _is_host(host: str, raw: str) -> bool:
    if ":" in host:
        return "%" not in host and _network(host) is not None  # with % it is a network card of this machine only
    return len(raw) <= _MAX_HOST and all(_LABEL.fullmatch(label) for label in raw.split("."))


@contextmanager
def our_request() -> Iterator[None]:
    """Mark what is logged in this context as about one of our requests."""
    token = _our_request.set(True)
    try:
        yield
    finally:
        _our_request.reset(token)


def keep_our_requests_out() -> None:
    """Keep our requests out of the HTTP library's log: their addresses hold e-mail addresses.

    Requests of others stay in it: the host process may use the same library.
    """
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_may_be_logged)


def _may_be_logged(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or not _our_request.get()


def _proxy(scheme: str, value: str, certificates: ssl.SSLContext) -> httpx.Proxy:
    name = _variable(f"{scheme}_proxy")
    with _blame(name, _PROXY):
        address = read_address(value if "://" in value else f"http://{value}")
        try:
            proxy = httpx.Proxy(address)
        except ValueError:
            raise ValueError("has a scheme that is none of http, https and socks5") from None
        try:
            httpx.AsyncHTTPTransport(proxy=proxy, verify=certificates)  # it looks for the package that it needs
        except ImportError:
            raise ValueError('SOCKS needs one more package: pip install "httpx[socks]"') from None
    return proxy


def _variable(name: str) -> str:
    """The variable's name as it is written in this environment; lower case goes first, as in Python itself."""
    written = [key for key in os.environ if key.lower() == name and os.environ[key]]
    return name if name in written else next(iter(written), "the proxy in the system's settings")


def _excepted(url: httpx.URL, exceptions: str) -> tuple[bool, tuple[str, ...]]:
    """Whether NO_PROXY names the address, and a line for each of its entries that cannot be read."""
    entries = enumerate(map(str.strip, exceptions.split(",")), start=1)
    matches = {number: _matches(url, entry) for number, entry in entries if entry}
    name = _variable("no_proxy")
    line = "{}: entry {} is neither a host nor a network and is ignored. Example: {}=localhost"
    skipped = tuple(line.format(name, number, name) for number, match in matches.items() if match is None)
    return any(matches.values()), skipped


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
    """Which authorities to trust: those of SSL_CERT_FILE, else of SSL_CERT_DIR, else Mozilla's list."""
    file, folders = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    with _blame("SSLKEYLOGFILE", "/tmp/tls-keys.log"):  # noqa: S108 - an example
        if (log := os.environ.get("SSLKEYLOGFILE")) and not sys.flags.ignore_environment:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).keylog_filename = log
    if file:
        with _blame("SSL_CERT_FILE", _BUNDLE):
            return ssl.create_default_context(cafile=file)
    if folders:
        with _blame("SSL_CERT_DIR", str(Path(_BUNDLE).parent)):
            return ssl.create_default_context(capath=_with_certificates(folders))
    with _blame("OPENSSL_CONF" if os.environ.get("OPENSSL_CONF") else "the list of authorities (certifi)"):
        return ssl.create_default_context(cafile=certifi.where())


def _with_certificates(folders: str) -> str:
    listed = [Path(folder) for folder in folders.split(os.pathsep) if folder]
    if not any(_HASHED.fullmatch(file.name) for folder in listed for file in folder.iterdir()):
        raise ValueError("holds no certificates by their hashes; run openssl rehash on it")
    return folders


@contextmanager
def _blame(name: str, example: str = "") -> Iterator[None]:
    """Report failures in this context as the fault of this variable."""
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
    raise NetworkSettingError(f"{name}: {what}." + (f" Example: {name}={example}" if example else "")) from None

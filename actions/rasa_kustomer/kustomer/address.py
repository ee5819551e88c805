"""Addresses that a connection can be made to, judged before one is tried: the network's own errors name no setting."""

import ipaddress
import re

import httpx

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LONGEST_HOST = 253


def read_address(text: str) -> httpx.URL:
    """The address.

    Raises:
        ValueError: With what is wrong, in words that quote nothing: it may hold a password.
    """
    if any(character.isspace() or not character.isprintable() for character in text):
        raise ValueError("holds a blank or a character that does not show")
    try:
        url = httpx.URL(text)
        host, port = url.host, url.port  # reading them judges international names too
    except (httpx.InvalidURL, ValueError):
        raise ValueError("is not an address like https://host:port") from None
    if not host:
        raise ValueError("names no host")
    if not _is_host(host, url.raw_host):
        raise ValueError("names a host that cannot exist")
    if port is not None and not 1 <= port <= 65_535:
        raise ValueError("has a port that is not between 1 and 65535")
    return url


def _is_host(host: str, raw: bytes) -> bool:
    if ":" in host:
        if "%" in host:  # a network card of this machine only
            return False
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            return False
        return True
    name = raw.decode("ascii", "replace")
    return len(name) <= _LONGEST_HOST and all(_LABEL.fullmatch(label) for label in name.split("."))

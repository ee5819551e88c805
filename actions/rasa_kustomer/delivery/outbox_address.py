"""Addresses of the outbox (KUSTOMER_OUTBOX_URL): which ones can be used, and what to write instead of the others.

Nothing here quotes the address, since it may hold a password.
"""

import importlib.util
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

SQLITE_SCHEMES = frozenset({"sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"})
POSTGRES_SCHEME = "postgresql+asyncpg"
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

_POSTGRES_URL = re.compile(
    r"[^:/]+://([^:/@?]*(:[^:/@?]*)?@)?([\w.-]+|\[[0-9a-fA-F:]+\])?(:(?P<port>\d{1,5}))?/[^/?@]+(\?(?P<query>[^@]*))?"
)
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")
_PASSWORD = re.compile(r"(://[^:/@]*:|[?&]password=)[^@&]+")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_TEXTS = frozenset({"host", "user", "password", "database", "application_name", "options",
                    "passfile", "krbsrvname"})  # fmt: skip
_WHOLE = frozenset({"port", "prepared_statement_cache_size", "statement_cache_size", "max_cached_statement_lifetime",
                    "max_cacheable_statement_size"})  # fmt: skip
_SECONDS = frozenset({"timeout", "connect_timeout", "command_timeout"})
_WORDS = {
    "ssl": SSL_MODES,
    "sslmode": SSL_MODES,
    "target_session_attrs": ("any", "primary", "standby", "read-write", "read-only", "prefer-standby"),
    "gsslib": ("gssapi", "sspi"),
    "channel_binding": ("disable", "prefer"),  # the driver has none, so this is what it does
    "gssencmode": ("disable", "prefer", "allow"),
}
_OF_THE_URL = frozenset({"host", "port", "user", "password", "database", "prepared_statement_cache_size"})
_OF_THE_SERVER = frozenset({"application_name", "options"})
_NOTHING = frozenset({"channel_binding", "gssencmode"})  # the driver does so anyway
_RENAMED = {"sslmode": "ssl"}
_INSTEAD = {
    "sslrootcert": "set the variable PGSSLROOTCERT",
    "sslcert": "set the variable PGSSLCERT",
    "sslkey": "set the variable PGSSLKEY",
    "sslcrl": "set the variable PGSSLCRL",
    "channel_binding": "leave it out, the driver has no channel binding",
    "pgbouncer": "write statement_cache_size=0&prepared_statement_cache_size=0",
    "dbname": "write the database behind the host: /database",
}


def outbox_address(value: str) -> str:
    """The address, as it can be used.

    Raises:
        ValueError: It cannot; with what to write.
    """
    scheme = value.split(":", 1)[0] if "://" in value else ""
    if scheme in SQLITE_SCHEMES:
        _judge_file(value.partition("://")[2])
    elif scheme == POSTGRES_SCHEME:
        _judge_server(value)
    elif re.match(r"postgres(ql)?(\+\w+)?$", scheme, re.IGNORECASE):
        raise ValueError(f"must start with sqlite:/// or {POSTGRES_SCHEME}://; write {POSTGRES_SCHEME}:// here")
    else:
        raise ValueError(f"must start with sqlite:/// or {POSTGRES_SCHEME}://")
    return value


def driver_arguments(query: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stands behind the ? of an address that was judged, as what remains there and as the driver's arguments."""
    remaining: dict[str, Any] = {}
    arguments: dict[str, Any] = {}
    server: dict[str, Any] = {}
    for name, value in query.items():
        if name in _OF_THE_URL:
            remaining[name] = value
        elif name in _OF_THE_SERVER:
            server[name] = value
        elif name in _WHOLE:
            arguments[name] = int(value)
        elif name in _SECONDS:
            arguments[name.removeprefix("connect_")] = float(value)
        elif name not in _NOTHING:
            arguments[_RENAMED.get(name, name)] = value
    return remaining, arguments | {"server_settings": server}


def is_no_file(value: str) -> bool:
    """Whether there is something at an SQLite address already that cannot hold a database, such as a folder."""
    scheme, _, rest = value.partition("://")
    try:
        return scheme in SQLITE_SCHEMES and Path(rest[1:]).exists() and not Path(rest[1:]).is_file()
    except OSError:
        return True


def without_password(value: str) -> str:
    """An address that may be shown."""
    return _PASSWORD.sub(r"\1***", value)


def _judge_file(rest: str) -> None:
    """What stands behind sqlite://, which must be a slash and the name of a file."""
    path, question, _ = rest.partition("?")
    if question:
        raise ValueError("takes nothing behind a ?; leave it out")
    if not path.startswith("/") and path:
        raise ValueError("needs three slashes before the file, four before one that begins with /")
    path = path[1:]
    name = path.replace("\\", "/").rpartition("/")[2].strip()
    if not name or name in {".", ".."} or path.startswith((":", "file:")):
        raise ValueError("names no file, so that nothing would be kept; write one")
    if path.startswith("~") or "$" in path or "%" in path:
        raise ValueError("is taken as it stands, without ~, $ or %; write the whole path")
    if os.sep == "/" and ("\\" in path or _DRIVE.match(path)):
        raise ValueError("is a path of another system; write / between folders")
    if path.startswith(("/dev/", "/proc/", "/sys/")):
        raise ValueError("is something else than a file; write the name of a file")


def _judge_server(value: str) -> None:
    read = _POSTGRES_URL.fullmatch(value)
    if not read or any(c.isspace() for c in value):
        raise ValueError(
            f"is not {POSTGRES_SCHEME}://user:password@host:port/database"
            " (in the password write %40 for @, %2F for /, %3A for :)"
        )
    if read["port"] and not 1 <= int(read["port"]) <= 65_535:
        raise ValueError("has a port that is not between 1 and 65535")
    if read[3] and not read[3].startswith("[") and not _HOST.fullmatch(read[3]):
        raise ValueError("names a host that cannot exist")
    _judge_query(read["query"] or "")
    if any(importlib.util.find_spec(package) is None for package in ("asyncpg", "greenlet")):
        raise ValueError('PostgreSQL needs two more packages: pip install "rasa-kustomer[postgres]"')


def _judge_query(query: str) -> None:
    seen = set[str]()
    for name, value in parse_qsl(query, keep_blank_values=True):
        shown = name if re.fullmatch(r"[a-z_]{1,40}", name) else "something"
        if name in seen and name != "host":
            raise ValueError(f"has {shown} twice behind the ?")
        seen.add(name)
        if name in _WORDS and value in _WORDS[name]:
            continue
        if name in {"ssl", "sslmode"}:
            raise ValueError(f"has another {name} than {', '.join(SSL_MODES)}; write ?ssl=require to encrypt")
        if name in _INSTEAD:
            raise ValueError(f"has {name} behind the ?, which the driver does not know: {_INSTEAD[name]}")
        if name in _WORDS:
            raise ValueError(f"has another {name} than {', '.join(_WORDS[name])}")
        if name not in _TEXTS | _WHOLE | _SECONDS:
            raise ValueError(f"has {shown} behind the ?, which the driver does not know: leave it out")
        if not _fits(name, value):
            raise ValueError(f"has a {name} behind the ? that is no {'text' if name in _TEXTS else 'usable number'}")
    if {"ssl", "sslmode"} <= seen:
        raise ValueError("has both ssl and sslmode behind the ?; leave sslmode out")


def _fits(name: str, value: str) -> bool:
    if name in _TEXTS:
        return bool(value)
    if name == "port":
        return value.isascii() and value.isdigit() and 1 <= int(value) <= 65_535
    if name in _WHOLE:
        return value.isascii() and value.isdigit() and len(value) < 10
    return re.fullmatch(r"\d{1,6}(\.\d{1,6})?", value, re.ASCII) is not None and float(value) > 0

"""Addresses of the outbox (KUSTOMER_OUTBOX_URL): which ones can be used, and what to write instead of the others.

Nothing here quotes the address, since it may hold a password.
"""

import importlib.util
import math
import os
import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

SQLITE_SCHEMES = frozenset({"sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"})
POSTGRES_SCHEME = "postgresql"
FORMER_SCHEME = "postgresql+asyncpg"
"""Of releases until 0.1; the names that its driver had behind the ? are still understood."""
INSTEAD = f"write {POSTGRES_SCHEME}:// instead of {FORMER_SCHEME}://, which names a driver that is no longer used"
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

_POSTGRES_URL = re.compile(
    r"[^:/]+://((?P<user>[^:/@?]*)(:(?P<password>[^:/@?]*))?@)?(?P<host>[\w.-]+|\[[0-9a-fA-F:]+\])?(:(?P<port>\d{1,5}))?"
    r"/(?P<dbname>[^/?@]+)(\?(?P<query>[^@]*))?"
)
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")
_PASSWORD = re.compile(r"(://[^:/@]*:|[?&]password=)[^@&]+")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_TEXTS = frozenset({"host", "user", "password", "database", "dbname", "application_name", "options", "passfile",
                    "krbsrvname", "sslrootcert", "sslcert", "sslkey", "sslcrl"})  # fmt: skip
_WHOLE = frozenset({"port", "prepared_statement_cache_size", "statement_cache_size", "max_cached_statement_lifetime",
                    "max_cacheable_statement_size"})  # fmt: skip
_SECONDS = frozenset({"timeout", "connect_timeout", "command_timeout"})
_WORDS = {
    "ssl": SSL_MODES,
    "sslmode": SSL_MODES,
    "target_session_attrs": ("any", "primary", "standby", "read-write", "read-only", "prefer-standby"),
    "gsslib": ("gssapi", "sspi"),
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer", "allow"),
}
_RENAMED = {"ssl": "sslmode", "database": "dbname", "timeout": "connect_timeout"}
_DRIVERS_OWN = _WHOLE - {"port"} | {"command_timeout"}  # of the former driver; each statement has a limit of ours
_INSTEAD = {"pgbouncer": "write statement_cache_size=0, so that no statement is prepared"}


class Server(NamedTuple):
    """A PostgreSQL server's address.

    Attributes:
        arguments: As `psycopg.connect` takes them.
        instead: What should be written instead; empty when it is written well.
    """

    arguments: dict[str, Any]
    instead: str


def outbox_address(value: str) -> str:
    """The address, as it can be used.

    Raises:
        ValueError: It cannot; with what to write.
    """
    scheme = value.split(":", 1)[0] if "://" in value else ""
    if scheme in SQLITE_SCHEMES:
        _judge_file(value.partition("://")[2])
    elif scheme in {POSTGRES_SCHEME, FORMER_SCHEME}:
        _judge_server(value)
    elif re.match(r"postgres(ql)?(\+\w+)?$", scheme, re.IGNORECASE):
        raise ValueError(f"must start with sqlite:/// or {POSTGRES_SCHEME}://; write {POSTGRES_SCHEME}:// here")
    else:
        raise ValueError(f"must start with sqlite:/// or {POSTGRES_SCHEME}://")
    return value


def server_of(value: str) -> Server:
    """The server of an address that was judged."""
    read = _POSTGRES_URL.fullmatch(value)
    assert read is not None  # noqa: S101 - it was judged
    parts = read.groupdict()
    named = {name: unquote(parts[name]).strip("[]") for name in ("user", "password", "host", "dbname") if parts[name]}
    arguments: dict[str, Any] = named | ({"port": parts["port"]} if parts["port"] else {})
    for name, text in parse_qsl(parts["query"] or "", keep_blank_values=True):
        if name == "statement_cache_size" and text == "0":
            arguments["prepare_threshold"] = None
        elif name == "host" and "host" in arguments:
            arguments["host"] += f",{text}"
        elif name in _SECONDS - _DRIVERS_OWN:
            arguments["connect_timeout"] = math.ceil(float(text))
        elif name not in _DRIVERS_OWN:
            arguments[_RENAMED.get(name, name)] = text
    return Server(arguments, instead_of(value))


def instead_of(value: str) -> str:
    """What to write instead of an address that goes on working; empty when it is written well."""
    return INSTEAD if value.startswith(f"{FORMER_SCHEME}://") else ""


def file_of(value: str) -> Path | None:
    """The file of an SQLite address; None for a server."""
    scheme, _, rest = value.partition("://")
    return Path(rest[1:]) if scheme in SQLITE_SCHEMES else None


def is_no_file(value: str) -> bool:
    """Whether there is something at an SQLite address already that cannot hold a database, such as a folder."""
    file = file_of(value)
    try:
        return file is not None and file.exists() and not file.is_file()
    except OSError:
        return True


def without_password(value: str) -> str:
    """An address that may be shown."""
    return _PASSWORD.sub(r"\1***", value)


def _judge_file(rest: str) -> None:
    """What stands behind sqlite://, which must be a slash and the name of a file."""
    path, question, _ = rest.partition("?")
    if question:
        raise ValueError("takes nothing after a ?; leave it out")
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
        raise ValueError("is not a file; write the name of a file")


def _judge_server(value: str) -> None:
    read = _POSTGRES_URL.fullmatch(value)
    if not read or any(c.isspace() for c in value):
        raise ValueError(
            f"is not {POSTGRES_SCHEME}://user:password@host:port/database"
            " (in the password write %40 for @, %2F for /, %3A for :)"
        )
    if read["port"] and not 1 <= int(read["port"]) <= 65_535:
        raise ValueError("has a port that is not between 1 and 65535")
    if read["host"] and not read["host"].startswith("[") and not _HOST.fullmatch(read["host"]):
        raise ValueError("has an invalid host name")
    _judge_query(read["query"] or "")
    if importlib.util.find_spec("psycopg") is None:
        raise ValueError('PostgreSQL needs one more package: pip install "rasa-kustomer[postgres]"')


def _judge_query(query: str) -> None:
    seen = set[str]()
    for name, value in parse_qsl(query, keep_blank_values=True):
        shown = name if re.fullmatch(r"[a-z_]{1,40}", name) else "something"
        if name in seen and name != "host":
            raise ValueError(f"has {shown} twice after the ?")
        seen.add(name)
        if name in _WORDS and value in _WORDS[name]:
            continue
        if name in {"ssl", "sslmode"}:
            raise ValueError(f"has an unknown {name}; known: {', '.join(SSL_MODES)}; ?sslmode=require encrypts")
        if name in _INSTEAD:
            raise ValueError(f"has {name} after the ?, which the driver does not know: {_INSTEAD[name]}")
        if name in _WORDS:
            raise ValueError(f"has an unknown {name}; known: {', '.join(_WORDS[name])}")
        if name not in _TEXTS | _WHOLE | _SECONDS:
            raise ValueError(f"has {shown} after the ?, which the driver does not know: leave it out")
        if not _fits(name, value):
            raise ValueError(f"has a {name} after the ? that is not {'text' if name in _TEXTS else 'a usable number'}")
    if {"ssl", "sslmode"} <= seen:
        raise ValueError("has both ssl and sslmode after the ?; leave sslmode out")


def _fits(name: str, value: str) -> bool:
    if name in _TEXTS:
        return bool(value)
    if name == "port":
        return value.isascii() and value.isdigit() and 1 <= int(value) <= 65_535
    if name in _WHOLE:
        return value.isascii() and value.isdigit() and len(value) < 10
    return re.fullmatch(r"\d{1,6}(\.\d{1,6})?", value, re.ASCII) is not None and float(value) > 0

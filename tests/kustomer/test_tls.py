"""A certificate that is not accepted says why, and what cures it; against real TLS servers."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import trustme

from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import KustomerError, Untrusted
from rasa_kustomer.kustomer.network import read_network

NOW = datetime.now(timezone.utc)
DAY = timedelta(days=1)


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@asynccontextmanager
async def serving(certificate: trustme.LeafCert | ssl.SSLContext | None) -> AsyncIterator[str]:
    """An address that answers 401 to everything, by TLS where there is a certificate."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(1_000)
            writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    context = server_context(certificate) if isinstance(certificate, trustme.LeafCert) else certificate
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def failure(url: str) -> KustomerError:
    async with KustomerClient(url, "key", timeout_seconds=5) as client:
        with pytest.raises(KustomerError) as raised:
            await client.create_customer({})
        return raised.value


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """One that is believed here."""
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return made


async def test_an_unknown_authority_is_cured_by_the_variable_that_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    company = trustme.CA()
    company.cert_pem.write_to_path(tmp_path / "company.pem")
    async with serving(company.issue_cert("127.0.0.1")) as url:
        error = await failure(url)
        assert isinstance(error, Untrusted)
        assert "authority is unknown" in str(error)
        assert "SSL_CERT_FILE" in str(error)
        assert not error.ambiguous

        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "company.pem"))
        assert not isinstance(await failure(url), Untrusted)


async def test_one_that_has_expired_says_so(authority: trustme.CA) -> None:
    async with serving(authority.issue_cert("127.0.0.1", not_before=NOW - 2 * DAY, not_after=NOW - DAY)) as url:
        assert "it has expired" in str(await failure(url))


async def test_one_that_is_not_valid_yet_asks_for_the_clock(authority: trustme.CA) -> None:
    async with serving(authority.issue_cert("127.0.0.1", not_before=NOW + DAY, not_after=NOW + 2 * DAY)) as url:
        assert "clock" in str(await failure(url))


async def test_one_for_another_host_asks_for_the_address(authority: trustme.CA) -> None:
    for name in ("other.example", "127.0.0.2"):
        async with serving(authority.issue_cert(name)) as url:
            error = str(await failure(url))
            assert "another host name" in error
            assert "KUSTOMER_BASE_URL" in error


async def test_a_chain_that_is_not_sent_whole_says_so(authority: trustme.CA, tmp_path: Path) -> None:
    leaf = authority.create_child_ca().issue_cert("127.0.0.1")
    leaf.private_key_pem.write_to_path(tmp_path / "leaf.pem")
    leaf.cert_chain_pems[0].write_to_path(tmp_path / "leaf.pem", append=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "leaf.pem")
    async with serving(context) as url:
        error = str(await failure(url))
    assert "authority is unknown" in error
    assert "SSL_CERT_FILE" in error


async def test_one_that_is_self_signed_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    itself = trustme.CA()
    itself.private_key_pem.write_to_path(tmp_path / "self.pem")
    itself.cert_pem.write_to_path(tmp_path / "self.pem", append=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "self.pem")
    async with serving(context) as url:
        assert "self-signed" in str(await failure(url))


async def test_a_connection_that_is_closed_is_no_matter_of_trust() -> None:
    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(close, "127.0.0.1", 0) as server:
        error = await failure(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert not isinstance(error, Untrusted)


async def test_a_port_without_tls_says_so(authority: trustme.CA) -> None:
    async with serving(None) as url:
        assert "does not speak TLS" in str(await failure(url))


@contextmanager
def refusing(context: ssl.SSLContext) -> Iterator[str]:
    """An address whose server ends the handshake itself; with blocking sockets, since asyncio's tell no reason."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection.dup() as raw:  # kept open, since a reset would overtake the reason
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(1_000)
                raw.shutdown(socket.SHUT_WR)
                while raw.recv(1_000):
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(5)


async def test_an_old_version_of_tls_says_so(authority: trustme.CA) -> None:
    context = server_context(authority.issue_cert("127.0.0.1"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with refusing(context) as url:
        assert "it must offer TLS 1.2 or 1.3" in str(await failure(url))


async def test_a_server_that_wants_a_certificate_of_ours_says_so(authority: trustme.CA) -> None:
    context = server_context(authority.issue_cert("127.0.0.1"))
    context.verify_mode = ssl.CERT_REQUIRED
    with refusing(context) as url:
        assert "asks for a client certificate" in str(await failure(url))


async def test_nothing_of_a_certificate_is_quoted(authority: trustme.CA) -> None:
    async with serving(authority.issue_cert("secret-name.example")) as url:
        assert "secret" not in str(await failure(url))


async def test_certificates_that_are_accepted_are_no_matter(authority: trustme.CA) -> None:
    async with serving(authority.issue_cert("127.0.0.1")) as url:
        assert not isinstance(await failure(url), Untrusted)
        assert read_network(url).proxy is None

"""Why a connection is not trusted, and how to fix it.

The words are OpenSSL's codes in plain language; nothing of a certificate is quoted, since it may say anything.
"""

import ssl

_REFUSED = "the certificate is not accepted"
_UNKNOWN = f"{_REFUSED}, its authority is unknown here"
_FILE = "let SSL_CERT_FILE name a PEM file with"
_ADDRESS = "check KUSTOMER_SUBDOMAIN or KUSTOMER_BASE_URL"
_AUTHORITY = f"{_UNKNOWN} (is there a company proxy?): {_FILE} the authority's certificate"
_HOST = f"{_REFUSED}, it is for another host name: {_ADDRESS}, or give the server a certificate for this name"
_NO_TLS = "the server does not speak TLS at this port: check the port of KUSTOMER_BASE_URL, and the proxy"
_OLD = "the server speaks no TLS version that is accepted here: it must offer TLS 1.2 or 1.3"
_CERTIFICATES = {  # codes of OpenSSL, x509_vfy.h
    2: _AUTHORITY,
    9: f"{_REFUSED}, it is not valid yet: set this machine's clock",
    10: f"{_REFUSED}, it has expired: the server needs a new one; check this machine's clock too",
    18: f"{_REFUSED}, it is self-signed: {_FILE} it, if this is intended",
    19: _AUTHORITY,
    20: _AUTHORITY,
    21: f"{_UNKNOWN}, or the server does not send the whole chain: {_FILE} what is missing",
    23: f"{_REFUSED}, it was revoked: the server needs a new one",
    62: _HOST,
    64: _HOST,
    66: f"{_REFUSED}, its key is too short: the server needs a new one",
    67: f"{_REFUSED}, its authority's key is too short: the server needs one of another authority",
    68: f"{_REFUSED}, its signature is too weak: the server needs a new one",
}
_HANDSHAKES = {  # reasons of OpenSSL, by a part of their name
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "HTTP_REQUEST": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "PROTOCOL": _OLD,
    "VERSION_TOO_LOW": _OLD,
    "CERTIFICATE_REQUIRED": "the server asks for a client certificate, which this plugin does not have",
    "UNRECOGNIZED_NAME": f"the server does not know the host name: {_ADDRESS}",
    "HANDSHAKE_FAILURE": "the server and this machine have no encryption in common: the server must offer current ones",
    "DH_KEY_TOO_SMALL": "the server's encryption is too weak: it must offer current ones",
}
_NO_REASON = (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLEOFError, ssl.SSLZeroReturnError)  # waits and ends


def why_untrusted(error: BaseException) -> str | None:
    """Cause and fix when an error comes from TLS; None for all others."""
    cause: BaseException | None = error
    while cause is not None and (not isinstance(cause, ssl.SSLError) or isinstance(cause, _NO_REASON)):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return None
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = cause.verify_message.partition(",")[0].partition(".")[0]
        return _CERTIFICATES.get(cause.verify_code, f"{_REFUSED} ({reason})")
    reason = cause.reason or type(cause).__name__
    return next((words for part, words in _HANDSHAKES.items() if part in reason), f"TLS failed ({reason})")

"""What programs write where there is no value: ids and addresses that many people would share.

An id is refused only where it certainly stands for nobody, since its owner stays anonymous then.
"""

import re
import unicodedata


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_GUESTS = _words("guest gast visitor anonymous anon anonyme anonimo unknown unidentified unregistered")
_NOBODY = _GUESTS | _words(
    """
    null nil none undefined undef nothing nan nat na nv void empty blank missing unset unassigned unavailable noone
    nobody nonetype dbnull inf infinity true false error deleted todo tbd array object string dummy test testing sample
    example placeholder unauthenticated unauthorized anonym unbekannt invite inconnu invitado desconocido ninguno ospite
    sconosciuto convidado desconhecido onbekend
    """
)
_KINDS = _words(  # what an id is of: the name of a field
    "user username customer client account member contact person shopper buyer checkout cust uid id ids"
)
_FILLERS = _words("your my the external value here")
_PHRASES = frozenset(
    (
        *("not set", "not available", "not applicable", "not found", "not defined", "not provided", "not specified"),
        *("not logged in", "logged out", "no value", "no id", "no user", "no customer", "no name", "no one", "no data"),
        *("n a", "n v", "n d", "void 0", "loading", "optional empty", "optional nil"),
    )
)
_UNFILLED = re.compile(
    r"\{\{|\}\}|\$\{|#\{|%\{|@\{|\$\(|\$\[|\{%|<%|%>|<\?|\?>|\[\[|\[%|\*\||\|\*|%%|%!|##|__\w+__|\{!|\{\$"
    r"|%\(\w*\)[sdr]|\{[A-Za-z_][\w .-]*\}|\{\d?\}|\[object \w+\]|^function\b|^(System|java\.lang)\."
    r"|^[\w.$]*[A-Z]\w*@[0-9a-f]{5,8}$|^((?i:null|undefined|none|nan)){2,}$",
)
_ENCLOSED = re.compile(
    r"<[^@].*>|\[[^\d].*\]|\[\]|\(.*[^\d)].*\)|\u00ab.*\u00bb|%.*[^\d%].*%|%[sdif]|#.*[^\d#].*#|\|.*\||~|\\n|[$:][A-Za-z_][\w.]*",
    re.IGNORECASE | re.DOTALL,
)
_SPREADSHEET = re.compile(r"#[^\W\d_][^\s]*[!?]|#n/[a-z]+", re.IGNORECASE)
_ROUNDED = re.compile(r"[+-]?\d[.,]\d+e\+?\d+|[+-]?\d+e\+\d+", re.IGNORECASE)
_GUID = re.compile(r"\{?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?", re.IGNORECASE)
_ZERO_OR_MINUS_ONE = re.compile(r"[0.,:_-]+|0x0+|[-\u2212]0*1(\.0*)?", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\dA-Z_]+|[\d]+")

_TELLING = frozenset({"Ll", "Lu", "Lt", "Lo", "Lm", "Nd", "Nl", "No", "So"})  # not punctuation alone
_NO_REPLY = re.compile(r"(no|do\W?not|dont)\W?(reply|response|e?mail)|mailer\W?daemon")
_NO_OWNER = _words(
    "null undefined none nan nil unknown unbekannt anonymous anonym anon nobody noone placeholder dummy guest visitor"
)
_SAMPLE_LOCALS = _words(
    """
    test testing example sample demo dummy foo bar asdf abc xyz qwerty user username name email mail me you your someone
    somebody customer no na none your.name yourname your.email youremail firstname.lastname first.last
    """
)
_SAMPLE_DOMAINS = _words("example test sample domain yourdomain mydomain company yourcompany email mail foo bar")


def stands_for_nobody(text: str) -> bool:
    """Whether an id is what a program writes when it has none.

    That is: the words for "no value" of languages, databases and spreadsheets, zeros and -1, guests who are only
    numbered, templates that were not filled, and numbers that were rounded on their way.
    """
    bare = text.strip(" \t\"'`")
    if not any(unicodedata.category(one) in _TELLING for one in bare):
        return True
    if _GUID.fullmatch(bare):
        return len(set(bare.lower()) - set("{}-")) == 1  # 0000... and ffff...
    if _ZERO_OR_MINUS_ONE.fullmatch(bare) or _ROUNDED.fullmatch(bare):
        return True
    if _UNFILLED.search(bare) or _ENCLOSED.fullmatch(bare) or _SPREADSHEET.fullmatch(bare):
        return True
    return _only_words_for_nobody(bare)


def _only_words_for_nobody(text: str) -> bool:
    """`guest_12`, `customer-null`, `AnonymousUser`, `USER_ID`; but not `guest house ltd`."""
    words = [_plain(word) for word in _WORD.findall(unicodedata.normalize("NFKD", text))]
    if _plain(text) in _NOBODY or not _PHRASES.isdisjoint((_spelt(_plain(text)), " ".join(words))):
        return True
    named = [word for word in words if not word.isdigit()]
    if not _FILLERS.issuperset(named) and (_NOBODY | _KINDS | _FILLERS).issuperset(named):
        return len(named) == len(words) or not _GUESTS.isdisjoint(named)
    return bool(named) and words[0] in _GUESTS and _numbered(text)


def _numbered(text: str) -> bool:
    """`guest_7f3a`: the rest is one string of digits and letters."""
    return re.fullmatch(r"[^\W\d_]+[\W_]*(?=\w*\d)[0-9a-f]{2,}(-[0-9a-f]+)*", text, re.IGNORECASE) is not None


def _plain(word: str) -> str:
    """Small letters without accents."""
    return "".join(one for one in unicodedata.normalize("NFKD", word).casefold() if not unicodedata.combining(one))


def _spelt(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text))


def nobodys_address(local: str, domain: str) -> bool:
    """Whether an e-mail address, in small letters, is a placeholder or one that nobody reads.

    Args:
        local: What stands before the @.
        domain: What stands behind it.
    """
    label = domain.partition(".")[0]
    if domain.endswith(".invalid") or _NO_REPLY.match(local):
        return True
    if local in _NO_OWNER or (
        not local.isdigit() and not _NO_OWNER.isdisjoint(_WORD.findall(local)) and stands_for_nobody(local)
    ):
        return True
    if local in _SAMPLE_LOCALS and (label == local or label in _SAMPLE_DOMAINS):
        return True
    return local == label and (local.isdigit() or len(set(local)) == 1 < len(local))

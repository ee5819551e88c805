"""What was sent without a word: addresses in the metadata of a user event, wherever its connector puts them."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit, urlunsplit

from rasa_kustomer.conversation.events import Event, mapping
from rasa_kustomer.conversation.texts import clean

MAX_ADDRESSES = 10
MAX_ADDRESS_LENGTH = 2_000
_DEEPEST = 8
_MOST_LOOKED_AT = 1_000
_ADDRESS = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_OF_RASA = frozenset({"model_id", "assistant_id", "is_external"})
_SENT = ("media", "attach", "file", "image", "photo", "picture", "voice", "audio", "video", "document", "sticker")
_SENT_MORE = ("animation", "contenturl", "recording", "download")
_ABOUT_THE_SENDER = ("profile", "avatar", "icon", "logo", "thumb", "preview", "responseurl", "callback", "webhook")
_ABOUT_THE_PAGE = ("page", "refer", "origin", "location", "host", "site", "domain", "service", "current", "landing")
_ABOUT_THE_PAGE_MORE = ("source", "schema", "api", "endpoint", "redirect", "return", "href", "account", "context")
_MEDIA_NAME = re.compile(r"\.(jpe?g|png|gif|webp|heic|bmp|svg|mp[34]|m4a|ogg|oga|opus|wav|amr|aac|mov|webm|3gp|pdf)$")
_SECRETS = (
    (re.compile(r"/bot\d+:[\w-]+"), "/bot***"),  # whoever has the token of a Telegram bot is the bot
    (re.compile(r"([?&](?:access_?token|token|api_?key|auth|password|passwd|secret)=)[^&#]*", re.IGNORECASE), r"\1***"),
)


def addresses(event: Event) -> list[str]:
    """Web addresses of what the user sent, each once; passwords and keys in them are left out.

    Those of the page that the chat stands on, of the user's picture and the like are none.
    """
    found: dict[str, None] = {}
    left = [_MOST_LOOKED_AT]
    for place in event.attached:
        for address in _walk(place, "", left, 0):
            found.setdefault(address)
            if len(found) == MAX_ADDRESSES:
                return list(found)
    return list(found)


def has_metadata(event: Event) -> bool:
    """Whether a connector told anything beside the text; what Rasa itself puts there does not count."""
    told = (event.metadata, mapping(event.parsed.get("metadata")))
    return any(value for one in told for name, value in one.items() if name not in _OF_RASA)


def _walk(value: object, path: str, left: list[int], depth: int) -> Iterator[str]:
    left[0] -= 1
    if depth > _DEEPEST or left[0] < 0:
        return
    if isinstance(value, str):
        if (
            (match := _ADDRESS.fullmatch(clean(value)))
            and (address := _shown(match.group()))
            and _was_sent(path, address)
        ):
            yield address
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _walk(inner, f"{path}/{name}".lower().replace("_", "").replace("-", ""), left, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner, path, left, depth + 1)


def _was_sent(path: str, address: str) -> bool:
    """Whether an address under these names is one of something that was sent, rather than of a page or a person."""
    own = path.rpartition("/")[2]
    if any(word in own for word in _ABOUT_THE_SENDER):
        return False
    if any(word in path for word in (*_SENT, *_SENT_MORE)) or _MEDIA_NAME.search(urlsplit(address).path.lower()):
        return not any(word in path for word in ("profile", "avatar"))
    return not any(word in path for word in (*_ABOUT_THE_SENDER, *_ABOUT_THE_PAGE, *_ABOUT_THE_PAGE_MORE))


def _shown(address: str) -> str:
    try:
        parts = urlsplit(address)
        address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    except ValueError:  # nothing that could be opened
        return ""
    for secret, instead in _SECRETS:
        address = secret.sub(instead, address)
    return address if parts.netloc and len(address) <= MAX_ADDRESS_LENGTH else ""

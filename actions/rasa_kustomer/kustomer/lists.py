"""Lists, page by page (Kustomer API reference, Pagination)."""

import logging
from collections.abc import Mapping
from typing import Any

from rasa_kustomer.kustomer.errors import BrokenAnswer
from rasa_kustomer.kustomer.exchange import Exchange, call_name

logger = logging.getLogger(__name__)

PAGE_SIZE = 100
MOST_PAGES = 20
LONGEST_LIST = PAGE_SIZE * MOST_PAGES  # a list that has so many entries may have more that were not asked for


class Lists:
    """Reads lists; says once for each call that there was more than `LONGEST_LIST`.

    Args:
        exchange: Sends the requests.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._truncated: set[str] = set()

    async def items(self, path: str, *values: str, role: str) -> list[Any]:
        """All items of a list, unread, `LONGEST_LIST` at the most.

        Args:
            path: Template with `{}` for each value, without a query.
            values: Ids in the path.
            role: Role that the call needs.

        Raises:
            KustomerError: A page could not be had; BrokenAnswer when it is no list.
        """
        found: list[Any] = []
        first, following = f"{path}?page=1&pageSize={PAGE_SIZE}", None
        for _ in range(MOST_PAGES):
            answer = await self._exchange.send("GET", first, *values, url=following, role=role, repeat=True)
            items = answer.get("data") if isinstance(answer, Mapping) else None
            if not isinstance(items, list):
                raise BrokenAnswer(f"{call_name('GET', path)}: the answer is not a list.", ambiguous=False)
            found += items
            links = answer.get("links")
            following = links.get("next") if isinstance(links, Mapping) else None
            if not isinstance(following, str) or not following.startswith("/") or following.startswith("//"):
                return found
        if path not in self._truncated:
            self._truncated.add(path)
            logger.warning("%s: only the first %d of a longer list are read.", call_name("GET", path), len(found))
        return found

"""One line of the deployment checklist."""

from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail", "skip"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the checklist.

    Attributes:
        item: What was looked at.
        level: ok, warn (works, but look at it), fail (mend it), skip (could not be looked at, with the reason).
        message: What was found and, unless ok, what to do.
    """

    item: str
    level: Level
    message: str

    def as_dict(self) -> dict[str, str]:
        """For `--json`."""
        return asdict(self)

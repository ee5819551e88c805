"""Commands that are printed for somebody to run."""

import os
import shlex
import subprocess
from pathlib import Path

WINDOWS = os.name == "nt"


def command(*words: str | Path) -> str:
    """A command line as the shell of this machine takes it, also with blanks and quotes in a name."""
    texts = [str(word) for word in words]
    return subprocess.list2cmdline(texts) if WINDOWS else shlex.join(texts)


def move(source: Path, target: Path) -> str:
    """The command that moves a file; only for a target that does not exist, since it would be overwritten."""
    return command("move" if WINDOWS else "mv", source, target)


def compare(ours: Path, theirs: Path) -> str:
    """The command that shows how two files differ."""
    return command("fc" if WINDOWS else "diff", ours, theirs)

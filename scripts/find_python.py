"""Find an installed Python interpreter of one minor version, for instance `python scripts/find_python.py 3.10`.

Prints the interpreter's path, or one sentence that says what to install (exit code 1). A name on PATH is not
enough: shims of version managers stay behind when their interpreter is not selected, so every candidate is run.
Only the standard library is used, since this runs before anything is installed.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PROBE = "import sys; print('%d.%d' % sys.version_info[:2]); print(sys.executable)"
PROBE_SECONDS = 20


def runs(candidate: Path, version: str) -> Path | None:
    """Return the interpreter behind `candidate` when it starts and is of this minor version, else None."""
    try:
        answer = subprocess.run(
            [str(candidate), "-I", "-c", PROBE],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found, _, executable = answer.stdout.strip().partition("\n")
    return Path(executable) if found == version and executable else None


def candidates(version: str) -> Iterator[Path]:
    """Yield the places where an interpreter of this minor version may be, the likeliest first."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if folder and (path := Path(folder) / f"python{version}").exists():
            yield path
    # The interpreter that a virtual environment was made from outlives the environment.
    yield Path(getattr(sys, "_base_executable", sys.executable))
    yield from _version_managers(version)
    yield from _system_folders(version)


def _version_managers(version: str) -> Iterator[Path]:
    roots = [Path(os.environ[name]) for name in ("PYENV_ROOT",) if os.environ.get(name)]
    if pyenv := shutil.which("pyenv"):  # <root>/bin/pyenv, or <root>/libexec/pyenv behind a link
        roots += [Path(pyenv).parent.parent, Path(pyenv).resolve().parent.parent]
    roots += [home / ".pyenv" for home in _homes()]
    for root in dict.fromkeys(roots):
        yield from _newest(root / "versions", f"{version}.*", f"bin/python{version}")
    for uv in _uv_folders():
        yield from _newest(uv, f"cpython-{version}.*", f"bin/python{version}")
    for home in _homes():
        yield from _newest(home / ".asdf/installs/python", f"{version}.*", f"bin/python{version}")
        yield from _newest(home / ".local/share/mise/installs/python", f"{version}.*", f"bin/python{version}")


def _homes() -> list[Path]:
    """Return the home folder of the environment and, should HOME be changed, that of the account."""
    homes = [Path.home()]
    try:
        import pwd  # noqa: PLC0415  # does not exist on Windows
    except ImportError:
        return homes
    try:
        homes.append(Path(pwd.getpwuid(os.getuid()).pw_dir))
    except KeyError:  # an account without an entry, as in some containers
        return homes
    return list(dict.fromkeys(homes))


def _uv_folders() -> list[Path]:
    named = [os.environ.get("UV_PYTHON_INSTALL_DIR")]
    if data := os.environ.get("XDG_DATA_HOME"):
        named.append(f"{data}/uv/python")
    return [Path(name) for name in named if name] + [home / ".local/share/uv/python" for home in _homes()]


def _system_folders(version: str) -> Iterator[Path]:
    compact = version.replace(".", "")
    for folder in ("/usr/local/bin", "/usr/bin", "/opt/homebrew/bin", "/home/linuxbrew/.linuxbrew/bin"):
        yield Path(folder) / f"python{version}"
    for prefix in ("/opt/homebrew/opt", "/usr/local/opt"):
        yield Path(prefix) / f"python@{version}/bin/python{version}"
    yield Path(f"/Library/Frameworks/Python.framework/Versions/{version}/bin/python{version}")
    yield Path(f"/opt/rh/rh-python{compact}/root/usr/bin/python{version}")
    yield from _newest(Path("/opt"), "*", f"bin/python{version}")
    yield from _newest(Path("/opt/python"), "*", f"bin/python{version}")


def _newest(folder: Path, pattern: str, inside: str) -> Iterator[Path]:
    try:
        found = sorted(folder.glob(pattern), key=lambda path: [_number(part) for part in path.name.split(".")])
        yield from (path / inside for path in reversed(found) if (path / inside).exists())
    except OSError:  # a folder that this account may not read holds nothing for it
        return


def _number(part: str) -> int:
    digits = "".join(character for character in part if character.isdigit())
    return int(digits) if digits else -1


def find(version: str) -> Path | None:
    """Return the first interpreter of this minor version ("3.10") that really runs, or None."""
    for candidate in dict.fromkeys(candidates(version)):
        if found := runs(candidate, version):
            return found
    return None


def what_to_install(version: str) -> str:
    """Return the sentence that tells how to get this minor version."""
    return (
        f"Python {version} was not found: install it (Debian, Ubuntu: apt-get install python{version} "
        f"python{version}-venv; macOS: brew install python@{version}; anywhere: pyenv install {version} "
        f"or uv python install {version}) and try again."
    )


def main() -> int:
    """Run the command line; the exit code is 0 when an interpreter was found."""
    if len(sys.argv) != 2 or sys.argv[1].count(".") != 1:
        print("usage: find_python.py MAJOR.MINOR", file=sys.stderr)
        return 2
    found = find(sys.argv[1])
    if found is None:
        print(what_to_install(sys.argv[1]), file=sys.stderr)
        return 1
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())

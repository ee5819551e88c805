"""Environments for the pairs of Python and rasa-sdk that we support, and action servers that run in them.

The locked requirements of a pair are installed once, in `$XDG_CACHE_HOME/rasa-kustomer/compat` (default
`~/.cache`), keyed by the lock file. The wheel goes into a fresh environment on top, so that every run tests the
wheel that was just built and never the source tree.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.helpers import free_port
from tests.interpreters import find_python, uv, what_to_install

ROOT = Path(__file__).resolve().parents[2]
REQUIRE = "RASA_KUSTOMER_REQUIRE_PAIRS"
START_SECONDS = 180
IDLE_SECONDS = 1
STOP_SECONDS = 5


@dataclass(frozen=True)
class Pair:
    """One supported combination; `lock` is the requirement file that belongs to it."""

    python: str
    sdk: str
    lock: str = "requirements/runtime.txt"

    def __str__(self) -> str:
        return f"{self.python}+{self.sdk}"


PAIRS = (
    Pair("3.10", "3.6.2", "requirements/rasa-sdk-3.6.txt"),
    Pair("3.11", "3.21.1"),
    Pair("3.12", "3.21.1"),
    Pair("3.13", "3.21.1"),
)


@dataclass(frozen=True)
class Environment:
    """The interpreters of one pair: `python` has the wheel installed, `bare` only what the wheel needs."""

    pair: Pair
    python: Path
    bare: Path


@dataclass
class ActionServer:
    """A running `python -m rasa_sdk`; `output` is complete once `stop` has returned."""

    url: str
    process: asyncio.subprocess.Process
    log: Path

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def stumbled(self) -> bool:
        """Whether Sanic's manager met its own race at the end, which the bare rasa-sdk 3.21 does on a busy machine.

        `_sync_states` (sanic/worker/manager.py) reads a worker's state that the ending worker has just removed.
        """
        return "in _sync_states" in self.output and "'NoneType' object has no attribute 'get'" in self.output

    async def stop(self) -> int:
        """Send SIGTERM and return the exit code; TimeoutError when it takes longer than `STOP_SECONDS`.

        The bare rasa-sdk 3.21 hangs for 20 s when the signal comes before Sanic's manager has noticed that its worker
        is up (`WorkerManager.wait_for_ack` in sanic/worker/manager.py), hence the moment of idleness.
        """
        await asyncio.sleep(IDLE_SECONDS)
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), STOP_SECONDS)


StartServer = Callable[..., contextlib.AbstractAsyncContextManager[ActionServer]]


def clean_environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables for a child process: no source tree on the path and nobody's Kustomer account."""
    foreign = ("KUSTOMER_", "PYTHON", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, "HOME": str(home), "PYTHONUNBUFFERED": "1", "SANIC_HOST": "127.0.0.1", **(extra or {})}


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a command and return its output; its error output becomes the failure's text."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}", pytrace=False)
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this source tree, just built; once for all workers of a parallel run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "wheel"
    with _alone(folder.with_suffix(".lock")):
        if not list(folder.glob("*.whl")):
            run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# In a parallel run the tests of a pair share a worker, and with it the environment.
@pytest.fixture(
    scope="session",
    params=[pytest.param(pair, id=str(pair), marks=pytest.mark.xdist_group(str(pair))) for pair in PAIRS],
)
def environment(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment of one pair; skipped with the reason when its Python is not on this machine."""
    pair: Pair = request.param
    bare = _locked_environment(pair, _interpreter(pair))
    fresh = tmp_path_factory.mktemp("installed") / str(pair)
    uv("venv", "--python", bare, fresh)
    python = fresh / "bin/python"
    uv("pip", "install", "--python", python, "--no-deps", wheel)
    # Sees what the locked environment holds, without a copy of it.
    (_site_packages(python) / "locked.pth").write_text(f"{_site_packages(bare)}\n", encoding="utf-8")
    return Environment(pair, python, bare)


def _interpreter(pair: Pair) -> Path:
    required = {name.strip() for name in os.environ.get(REQUIRE, "").split(",") if name.strip()}
    if unknown := required - {str(known) for known in PAIRS}:
        pytest.fail(f"{REQUIRE} names pairs that do not exist: {', '.join(sorted(unknown))}", pytrace=False)
    if found := find_python(pair.python):
        return found
    if str(pair) in required:
        pytest.fail(f"{REQUIRE} asks for {pair}: {what_to_install(pair.python)}", pytrace=False)
    pytest.skip(what_to_install(pair.python))


def _locked_environment(pair: Pair, interpreter: Path) -> Path:
    """Return the Python of the cached environment with the pair's lock, made when there is none yet."""
    lock = ROOT / pair.lock
    key = hashlib.sha256(lock.read_bytes() + str(interpreter).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rasa-kustomer/compat"
    folder = cache / f"{pair}-{key}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=f"{pair}-") as making:
            uv("venv", "--relocatable", "--python", interpreter, making, "--clear")
            uv("pip", "install", "--python", Path(making) / "bin/python", "--no-deps", "--require-hashes", "-r", lock)
            _move(Path(making), folder)
    return folder / "bin/python"


def _move(made: Path, folder: Path) -> None:
    """Put a finished environment in its place, unless another run was quicker; nobody sees half of one."""
    with contextlib.suppress(OSError):
        made.rename(folder)
        made.mkdir()  # the temporary folder removes itself


def _site_packages(python: Path) -> Path:
    return Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())


@pytest.fixture
def start_server(tmp_path: Path) -> StartServer:
    """Start `python -m rasa_sdk --actions NAME` on a free port; it is killed when the test forgets to stop it."""

    @contextlib.asynccontextmanager
    async def start(
        python: Path, actions: str, cwd: Path, settings: Mapping[str, str] | None = None
    ) -> AsyncIterator[ActionServer]:
        log = tmp_path / f"{actions}.log"
        port = free_port()
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(str(python), "-m", "rasa_sdk", "--actions", actions, "--port", str(port)),
                cwd=cwd,
                env=clean_environment(tmp_path, settings),
                stdout=output,
                stderr=output,
                start_new_session=True,  # so that its worker processes end with it
            )
        server = ActionServer(f"http://127.0.0.1:{port}", process, log)
        try:
            await _answers(server)
            yield server
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()

    return start


async def _answers(server: ActionServer) -> None:
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    async with httpx.AsyncClient(base_url=server.url) as client:
        while asyncio.get_running_loop().time() < deadline and server.process.returncode is None:
            if await _responds(client):
                return
            await asyncio.sleep(0.1)  # another process: only its port tells that it is ready
    pytest.fail(f"The action server did not start:\n{server.output}", pytrace=False)


async def _responds(client: httpx.AsyncClient) -> bool:
    try:
        await client.get("/health")
    except httpx.TransportError:
        return False
    return True

"""What the action server does for the plugin: start, stop and the health route.

Uses rasa-sdk's plugin hook `attach_sanic_app_extensions`, registered while the actions are imported; present since
rasa-sdk 3.6 (Rasa notes, Inside the action server). With `--grpc` the hook is never called and everything starts with
the first action call instead.
"""

import gc
import logging
import sys
from typing import Any

import pluggy
from rasa_sdk.plugin import plugin_manager
from sanic.response import HTTPResponse, json

from rasa_kustomer import runtime
from rasa_kustomer.configuration import read_configuration
from rasa_kustomer.failures import describe_error
from rasa_kustomer.health import health
from rasa_kustomer.settings import SettingsError

logger = logging.getLogger(__name__)

PLUGIN_NAME = "rasa-kustomer"
HEALTH_ROUTE = "/kustomer/health"
GC_THRESHOLDS = 50_000, 10, 100  # a full collection every few hundred calls with long trackers, not with each
_GC_BEFORE = gc.get_threshold()

_hook = pluggy.HookimplMarker("rasa_sdk")


class ServerExtension:
    """Listeners and routes on rasa-sdk's Sanic app."""

    @_hook
    def attach_sanic_app_extensions(self, app: Any) -> None:
        """Called by rasa-sdk for each app it makes; newer SDKs do so in the main process and in each worker.

        Raises:
            SystemExit: The settings cannot be used; the reasons are printed, one line each.
        """
        try:
            read_configuration()
        except SettingsError as error:
            if error.disabled_reason is None:  # else the log has them: a plugin that is off stops nobody
                print("rasa-kustomer cannot start:", *error.problems, sep="\n  ", file=sys.stderr, flush=True)
                raise SystemExit(1) from None
        except Exception as error:  # noqa: BLE001 - no fault of a setting: the plugin is off then, and others work on
            logger.error("rasa-kustomer cannot read its settings: %s", describe_error(error))  # noqa: TRY400 - may hold texts
        app.register_listener(_start, "before_server_start")
        app.register_listener(_stop, "before_server_stop")
        app.add_route(_health, HEALTH_ROUTE, methods=["GET"], name="kustomer_health")


def register() -> None:
    """Register the plugin with rasa-sdk, once."""
    manager = plugin_manager()
    if not manager.has_plugin(PLUGIN_NAME):
        manager.register(ServerExtension(), name=PLUGIN_NAME)


async def _start(_app: Any, *_: Any) -> None:
    _make_heard()
    runtime.current()
    # This is done to the whole process, whosever it is, and undone in `_stop` (docs/admins.md).
    # A long tracker is 100,000 objects, gone with the call: Python takes them for garbage in the making and looks
    # through everything that was imported, tens of milliseconds within a bot's turn (benchmarks/run.py, 200 turns).
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _make_heard() -> None:
    """Set up logging where nobody has: newer SDKs spawn processes without it, and our lines would be lost."""
    if not logging.getLogger().handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-8s %(name)s  - %(message)s"))
        package = logging.getLogger(runtime.PACKAGE_LOGGER)
        package.addHandler(handler)
        package.setLevel(logging.INFO)


async def _stop(_app: Any, *_: Any) -> None:
    gc.unfreeze()
    gc.set_threshold(*_GC_BEFORE)
    try:
        await runtime.shut_down()
    except Exception as error:  # noqa: BLE001 - others have something to stop, too
        logger.error("rasa-kustomer could not stop cleanly: %s", describe_error(error))  # noqa: TRY400 - a traceback may hold texts


async def _health(_request: Any) -> HTTPResponse:
    return json(await health(runtime.current()))

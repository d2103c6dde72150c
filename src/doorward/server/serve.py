"""Runs the server: one process or several on the same folder, until it is told to stop."""

import logging
import os
import signal
import socket
from collections.abc import Callable

import uvicorn
from uvicorn.supervisors import Multiprocess

from doorward.server.app import create_app
from doorward.server.doors.asgi import App
from doorward.server.folder import Tenancy, prepare
from doorward.server.http import BoundedHttp
from doorward.server.settings import Settings, load_settings

log = logging.getLogger("doorward.serve")

APP = "doorward.server.serve:from_environment"
_BACKLOG = 2048


class AddressTaken(Exception):
    """The port can't be had; the message says what to do."""


def serve(settings: Settings, workers: int, ready: Callable[[Settings], None]) -> None:
    """Serve until SIGTERM or Ctrl-C; requests in flight are finished first.

    ``ready`` is called once connections are taken, with the settings as they came to be (the port
    that was chosen for port 0). Raises AddressTaken, OSError.
    """
    # uvicorn stops on the signal and then raises it again, for whoever was there before it.
    signal.signal(signal.SIGTERM, _leave)
    listener = _listen(settings.host, settings.port)
    settings = prepare(settings.listening_on(listener.getsockname()[1]))
    _say_what_does_not_hold(settings, workers)
    tenancy = Tenancy(settings)
    tenancy.enter()
    try:
        if workers == 1:
            _Server(_config(settings, create_app(settings)), settings, ready).run([listener])
        else:
            _serve_many(settings, workers, listener, ready)
    finally:
        tenancy.leave()
        listener.close()


class _Server(uvicorn.Server):
    """A uvicorn server that says when it takes connections."""

    def __init__(
        self, config: uvicorn.Config, settings: Settings, ready: Callable[[Settings], None]
    ) -> None:
        super().__init__(config)
        self._settings = settings
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        if self.started:
            self._ready(self._settings)


def _serve_many(
    settings: Settings,
    workers: int,
    listener: socket.socket,
    ready: Callable[[Settings], None],
) -> None:
    os.environ.update(settings.as_environment() | {"DOORWARD_VERBOSE": str(int(_is_verbose()))})
    config = _config(settings, APP, factory=True, workers=workers)
    listener.listen(_BACKLOG)  # whoever comes before the workers are up waits in the queue
    ready(settings)
    Multiprocess(config, [listener]).run()


def _say_what_does_not_hold(settings: Settings, workers: int) -> None:
    """Warn of limits that are not what they seem."""
    if not settings.limits.rates:
        return
    if workers > 1 and settings.bus_url is None:
        log.warning(
            "limits and budgets hold for each of the %d processes alone, so that together they let "
            "up to %d times as much through: set DOORWARD_BUS_URL to a Redis or Valkey to share "
            "them",
            workers,
            workers,
        )
    if not settings.knows_addresses:
        log.warning(
            "a proxy stands in front and hides where requests come from, so that nothing is "
            "limited by address: name its network in DOORWARD_TRUSTED_PROXIES"
        )


def _leave(*_: object) -> None:
    raise SystemExit(0)


def _config(settings: Settings, app: object, **more: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=BoundedHttp,
        ws="none",
        lifespan="on",
        access_log=False,
        # Forwarded headers are claims of whoever sends them.
        proxy_headers=False,
        server_header=False,
        log_config=None,
        timeout_graceful_shutdown=settings.stop_grace_seconds,
        backlog=_BACKLOG,
        **more,  # type: ignore[arg-type]
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as exc:
        listener.close()
        reason = exc.strerror or "it can't be had"
        raise AddressTaken(
            f"Port {port} on {host}: {reason}. Stop what listens there, or give another --port."
        ) from exc
    listener.set_inheritable(True)
    return listener


def from_environment() -> App:
    """Build the application in a worker process, from the environment it was given."""
    log_to_stderr(verbose=os.environ.get("DOORWARD_VERBOSE") == "1")
    return create_app(load_settings(os.environ))


def _is_verbose() -> bool:
    return logging.getLogger("doorward.access").isEnabledFor(logging.INFO)


def log_to_stderr(*, verbose: bool) -> None:
    """Send the log to standard error, a line per request only when asked for."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("uvicorn.error", "alembic", "httpx2", "httpcore2"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("doorward.access").setLevel(logging.INFO if verbose else logging.WARNING)

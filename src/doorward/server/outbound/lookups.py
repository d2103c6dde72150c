"""Names looked up in threads of their own: one that takes long keeps nobody else's from an answer.

The system's look-up can't be stopped, and whoever names an address may make it last.
"""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a name; raises OSError or UnicodeError where there are none."""

AT_ONCE = 4


def look_up(host: str, port: int) -> list[str]:
    """Ask the system for the addresses of a name; raises OSError, UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for _, _, _, _, address in found))


class Lookups:
    """Looks up so many names at once; a place is free only when its thread has ended.

    The threads hold up no process that ends.
    """

    def __init__(self, look: Callable[[str, int], list[str]] = look_up) -> None:
        self._look = look
        self._places = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, host: str, port: int) -> list[str]:
        """Give the addresses of a name; raises OSError, UnicodeError."""
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        found: Future[list[str]] = Future()

        def look() -> None:
            try:
                found.set_result(self._look(host, port))
            except Exception as exc:  # noqa: BLE001 - raised where it is waited for
                found.set_exception(exc)
            with suppress(RuntimeError):  # the loop has ended, and with it whoever asked
                loop.call_soon_threadsafe(self._places.release)

        threading.Thread(target=look, name="doorward-lookup", daemon=True).start()
        answer = asyncio.wrap_future(found)
        answer.add_done_callback(_heard)
        return await asyncio.shield(answer)


def _heard(answer: "asyncio.Future[list[str]]") -> None:
    """Take note of a failure that nobody waits for any more."""
    if not answer.cancelled():
        answer.exception()

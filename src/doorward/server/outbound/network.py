"""Connections to judged addresses alone: a name is resolved once, and what was judged is used."""

import asyncio
from collections.abc import Iterable, Sequence

from httpcore2 import (
    SOCKET_OPTION,
    AnyIOBackend,
    AsyncNetworkBackend,
    AsyncNetworkStream,
    ConnectError,
    ConnectTimeout,
)

from doorward.server.outbound.addresses import Network, may_connect
from doorward.server.outbound.lookups import Lookups, Resolve
from doorward.server.problems import AddressNotAllowed

_ADDRESSES_TRIED_MAX = 4


class JudgedNetwork(AsyncNetworkBackend):
    """Opens connections to the public network, and to ``allowed`` networks beside it."""

    def __init__(self, allowed: Sequence[Network], resolve: Resolve | None = None) -> None:
        self._allowed = allowed
        self._resolve = resolve or Lookups()
        self._inner = AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the backend's interface
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to one of the name's addresses; raises AddressNotAllowed if any is not public.

        So it does for a name that there is not: who asks learns nothing of the names in here.
        """
        addresses = await self._judged(host, port)
        for last, address in enumerate(addresses, 1 - len(addresses)):
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (ConnectError, ConnectTimeout):
                if last == 0:
                    raise
        raise AddressNotAllowed

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002, ASYNC109
        socket_options: Iterable[SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> AsyncNetworkStream:
        """Refuse: raises AddressNotAllowed."""
        raise AddressNotAllowed

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def _judged(self, host: str, port: int) -> list[str]:
        try:
            addresses = list(await self._resolve(host, port))
        except (OSError, UnicodeError):
            raise AddressNotAllowed from None
        if not all(may_connect(address, port, self._allowed) for address in addresses):
            raise AddressNotAllowed
        return addresses[:_ADDRESSES_TRIED_MAX]

"""Digests of passwords, made beside the event loop and few at once."""

import asyncio

from doorward.server.links import passwords

# Each holds 16 MiB and a core while it is made.
_AT_ONCE = 2


class Passwords:
    """Makes and compares digests of passwords for all requests of one process."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def digest_of(self, password: str) -> str:
        """Give what is stored of a password."""
        async with self._turns:
            return await asyncio.to_thread(passwords.digest_of, password)

    async def matches(self, password: str, digest: str) -> bool:
        """Say whether it is the password."""
        async with self._turns:
            return await asyncio.to_thread(passwords.matches, password, digest)

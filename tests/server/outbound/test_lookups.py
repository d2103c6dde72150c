"""A name that takes long to look up keeps nobody else from an answer (B4)."""

import asyncio
import socket
import threading

import pytest

from doorward.server.outbound.lookups import AT_ONCE, Lookups


@pytest.fixture
def slow():
    """Let some names take until the test ends."""
    free, begun = threading.Event(), threading.Semaphore(0)

    def look(host: str, port: int) -> list[str]:
        if host == "slow":
            begun.release()
            assert free.wait(60)
        return [f"192.0.2.{port}"]

    look.begun = begun
    yield look
    free.set()


def test_the_system_is_asked_and_a_name_that_there_is_not_raises():
    assert "127.0.0.1" in asyncio.run(Lookups()("localhost", 80))
    with pytest.raises(socket.gaierror):
        asyncio.run(Lookups()("no-such-name.invalid", 80))
    with pytest.raises(UnicodeError):
        asyncio.run(Lookups()("a" * 70, 80))


def test_slow_names_keep_no_other_look_up_of_the_process_waiting(slow):
    async def ask():
        lookups = Lookups(slow)
        waiting = [asyncio.ensure_future(lookups("slow", 1)) for _ in range(10 * AT_ONCE)]
        for _ in range(AT_ONCE):
            await asyncio.to_thread(slow.begun.acquire)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(30):
            found = await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
        for one in waiting:
            one.cancel()
        return found

    assert asyncio.run(ask())[0][4] == ("127.0.0.1", 80)


def test_who_gives_up_makes_no_place_before_the_system_has_answered(slow):
    async def ask():
        lookups = Lookups(slow)
        waiting = [asyncio.ensure_future(lookups("slow", 1)) for _ in range(AT_ONCE)]
        for _ in waiting:
            await asyncio.to_thread(slow.begun.acquire)
        for one in waiting:
            one.cancel()
        await asyncio.wait(waiting)
        next_one = asyncio.ensure_future(lookups("fast", 7))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return next_one.cancel()  # false where it has an answer

    assert asyncio.run(ask())


def test_a_place_is_free_again_after_every_answer():
    asked = []

    def look(host: str, port: int) -> list[str]:
        asked.append(port)
        if port % 2:
            raise OSError
        return [host]

    async def ask():
        lookups = Lookups(look)
        asks = [lookups("a", port) for port in range(5 * AT_ONCE)]
        return await asyncio.gather(*asks, return_exceptions=True)

    found = asyncio.run(ask())

    assert [one for one in found if one == ["a"]] == [["a"]] * (5 * AT_ONCE // 2)
    assert sorted(asked) == list(range(5 * AT_ONCE))

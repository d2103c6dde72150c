"""Many uploads that trickle, from one process: ``python -m bench.trickling BYTES_A_SECOND SIZE``.

It reads URLs from standard input, a line each, until an empty one. Each is a PUT that sends its
bytes a second, spread over the second so that they don't come all at once. It says ``ready`` once
every upload has sent its first bytes. To each line that comes then it answers how many are still
going and how many bytes were sent in all. It ends with standard input.
"""

import asyncio
import sys
import time
from urllib.parse import urlsplit

_CONNECTING = 50


class Trickle:
    """The uploads together."""

    def __init__(self, a_second: int, size: int) -> None:
        self._piece = bytes(a_second)
        self._size = size
        self.going = 0
        self.sent = 0

    async def start(self, urls: list[str]) -> list[asyncio.Task[None]]:
        """Begin every upload; give what goes on with each."""
        some_at_once = asyncio.Semaphore(_CONNECTING)

        async def begin(number: int, url: str) -> asyncio.Task[None]:
            async with some_at_once:
                reader, writer = await self._open(url)
            self.going += 1
            going_on = self._go_on(reader, writer, number / len(urls))
            return asyncio.create_task(going_on)

        return await asyncio.gather(*(begin(n, url) for n, url in enumerate(urls)))

    async def _open(self, url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        writer.write(f"{head}Content-Length: {self._size}\r\n\r\n".encode() + self._piece)
        await writer.drain()
        self.sent += len(self._piece)
        return reader, writer

    async def _go_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, after: float
    ) -> None:
        """Send a piece each second until the server answers, which it has no reason to do.

        Each keeps to its own moment of the second, also when the process was stopped meanwhile.
        """
        answered = asyncio.create_task(reader.read(1))
        began, now = time.monotonic() + after, time.monotonic()
        while not (await asyncio.wait([answered], timeout=(began - now) % 1.0))[0]:
            writer.write(self._piece)
            self.sent += len(self._piece)
            now = time.monotonic() + 0.01  # so that the same moment does not come twice
        self.going -= 1
        writer.close()


async def main(a_second: int, size: int) -> None:
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    urls = []
    while url := (await lines.readline()).decode().strip():
        urls.append(url)
    trickle = Trickle(a_second, size)
    tasks = await trickle.start(urls)
    print("ready", flush=True)
    while await lines.readline():
        print(trickle.going, trickle.sent, flush=True)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))

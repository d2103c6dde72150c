"""A bad network: connections that are cut after so many bytes."""

import socket
import threading
from contextlib import suppress


class CuttingProxy:
    """Passes bytes on, and cuts each of the first connections after so many of them."""

    def __init__(self, target_port, cuts, *, downwards):
        self.target_port = target_port
        self.cuts = list(cuts)
        self.downwards = downwards
        self.passed = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target_port))
            budget = [self.cuts.pop(0) if self.cuts else None]
            for source, sink, counted in (
                (client, server, not self.downwards),
                (server, client, self.downwards),
            ):
                threading.Thread(
                    target=self.pump,
                    args=(source, sink, budget if counted else [None]),
                    daemon=True,
                ).start()

    def pump(self, source, sink, budget):
        try:
            while data := source.recv(65536):
                if budget[0] is not None:
                    data = data[: budget[0]]
                    budget[0] -= len(data)
                sink.sendall(data)
                self.passed += len(data)
                if budget[0] == 0:
                    break
        except OSError:
            pass
        for end in (source, sink):
            # Closing alone would tell nobody while the other thread is still reading.
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

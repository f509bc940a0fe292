"""A database across a network: a process between the product and its database that lets each message wait.

    python -m e2e.load.network PORT HOST:PORT SECONDS

What the client sends is passed on after SECONDS, answers at once: each round trip takes so much longer, be it for one
statement or for several that were sent together.
"""

import contextlib
import socket
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from e2e.server import Daemon


class SlowNetwork(Daemon):
    """The way to the database at `database_url`, `delay` seconds longer; `url` is the database at its end."""

    def __init__(self, folder: Path, database_url: str, delay: float) -> None:
        super().__init__(folder / "network.log")
        parts = urlsplit(database_url)
        self._target = f"{parts.hostname}:{parts.port or 3306}"
        self._delay = delay
        user = parts.netloc.rpartition("@")[0]
        here = f"127.0.0.1:{self.port}"
        self.url = parts._replace(netloc=f"{user}@{here}" if user else here).geturl()

    def command(self) -> list[str]:
        ours = [sys.executable, "-m", "e2e.load.network"]
        return [*ours, str(self.port), self._target, str(self._delay)]


def pass_on(source: socket.socket, target: socket.socket, delay: float) -> None:
    """What comes from `source`, until one of them hangs up."""
    with contextlib.suppress(OSError):
        while message := source.recv(1 << 16):
            if delay:
                time.sleep(delay)
            target.sendall(message)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def main(port: int, target: str, delay: float) -> None:
    host, _, its_port = target.rpartition(":")
    with socket.create_server(("127.0.0.1", port), backlog=128) as server:
        while True:
            near, _address = server.accept()
            far = socket.create_connection((host, int(its_port)))
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for way in ((near, far, delay), (far, near, 0.0)):
                threading.Thread(target=pass_on, args=way, daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))

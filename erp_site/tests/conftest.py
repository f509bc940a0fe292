"""A Redis of the test's own, which it may fill, hang and kill; relays at work, and patience."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway

from erp_site.core import redis as redis_module
from erp_site.core.outbox import Relay

PATIENCE = 60  # seconds; a busy machine needs some


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(0.01)


@contextmanager
def running(*relays: Relay) -> Iterator[None]:
    """The relays, each in a thread of its own, until the block ends."""

    def work(one: Relay) -> None:
        try:
            one.run()
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[one]) for one in relays]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for one in relays:
            one.stop.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)


class RedisServer:
    """A redis-server process on a port of its own, without a file."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""],
            stdout=subprocess.DEVNULL,
        )
        for _ in range(200):
            if self.answers():
                return
            time.sleep(0.02)
        raise RuntimeError("redis-server does not start")

    def answers(self) -> bool:
        try:
            with Redis.from_url(self.url) as client:
                return bool(client.ping())
        except RedisAway:
            return False

    def hang(self) -> None:
        """Connections are taken and never answered: the worst a server can do."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.go_on()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def redis_server(settings, monkeypatch) -> Iterator[RedisServer]:
    """A running Redis, and REDIS_URL set to it for this test.

    It is given more time than a request has, or a busy machine would look like one whose Redis is away.
    """
    monkeypatch.setattr(redis_module, "HURRY", 0.5)
    if shutil.which("redis-server") is None:
        pytest.skip(
            "redis-server is not installed: what the product does with Redis is NOT tested here"
        )
    server = RedisServer()
    settings.REDIS_URL = server.url
    yield server
    server.stop()


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    """A client of the test's own to that Redis."""
    with Redis.from_url(redis_server.url, decode_responses=True) as client:
        yield client


@pytest.fixture
def product_environment(redis_server: RedisServer) -> dict[str, str]:
    """For processes that a test starts: this test's database and Redis, none of this machine's settings."""
    return os.environ | {"DATABASE_URL": database_url(), "REDIS_URL": redis_server.url}


def database_url() -> str:
    """The address of the database that this test works on."""
    from django.db import connection

    options = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{options['NAME']}"
    user = options["USER"] + (f":{options['PASSWORD']}" if options["PASSWORD"] else "")
    return f"mysql://{user}@{options['HOST']}:{options['PORT']}/{options['NAME']}"

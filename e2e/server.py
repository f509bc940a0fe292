"""The product as it really runs: processes of its own that can be stopped, hung and killed, and what they stand on.

with Site(folder, database_url) as site:
    httpx.get(f"{site.url}/health/live")
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Final, Self
from urllib.error import URLError
from urllib.parse import urlsplit

import psutil

ROOT: Final = Path(__file__).resolve().parent.parent
PATIENCE: Final = 60  # seconds for a process to start or to end
ADMIN: Final = "admin@example.com"
PASSWORD: Final = "correct-horse-battery"


def free_port() -> int:
    """A port of this machine that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Daemon:
    """A process that serves one port. What it prints goes to `log`, for those who look into a failure."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def answers(self) -> bool:
        """Is it ready to be used?"""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    @property
    def process(self) -> psutil.Process:
        assert self._process is not None, "it was never started"
        return psutil.Process(self._process.pid)

    def start(self) -> Self:
        """Start it and wait until it answers.

        Raises:
            RuntimeError: it ended, or does not answer in PATIENCE seconds; with the end of its log.
        """
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=ROOT,
                env=os.environ | self.environment(),
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + PATIENCE
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self.command()[0]} did not start:\n{self.last_words()}")
            time.sleep(0.05)
        return self

    def last_words(self, characters: int = 4000) -> str:
        return self.log.read_text(errors="replace")[-characters:]

    def stop(self) -> None:
        """Ask it to end, and wait for that."""
        if self._process is not None and self._process.poll() is None:
            self.resume()
            self._process.terminate()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """SIGKILL, children included: what a power cut leaves behind."""
        if self._process is not None and self._process.poll() is None:
            family = [self.process, *self.process.children(recursive=True)]
            for member in family:
                with suppress(psutil.NoSuchProcess):  # a child that ended by itself meanwhile
                    member.kill()
            self._process.wait(PATIENCE)

    def hang(self) -> None:
        """It keeps its port and its connections, and does nothing more."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """The end of `hang`; nothing happens to a process that does not hang, or has ended."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()


class Site(Daemon):
    """`manage.py serve` with its worker processes, on a database of its own, with ADMIN as the first administrator."""

    def __init__(
        self, folder: Path, database_url: str, *, redis_url: str = "", **variables: str
    ) -> None:
        super().__init__(folder / "site.log")
        self.url = f"http://127.0.0.1:{self.port}"
        self.engine = urlsplit(database_url).scheme
        self._variables = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "PORT": str(self.port),
            "HOST": "127.0.0.1",
            "WEB_WORKERS": "2",
            "RATE_LIMIT": "off",
            "RELAY": "thread",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "ADMIN_EMAIL": ADMIN,
            "ADMIN_PASSWORD": PASSWORD,
            "EMAIL_URL": "console://",
            **variables,
        }

    def command(self) -> list[str]:
        return [sys.executable, "manage.py", "serve"]

    def environment(self) -> dict[str, str]:
        return self._variables

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, ConnectionError, TimeoutError):
            return False

    def retries(self) -> int:
        """How many transactions were begun again, because of deadlocks and the like, since the first start."""
        return self.log.read_text(errors="replace").count("transaction_retry")

    def workers(self) -> list[psutil.Process]:
        """The processes that answer requests; `process` is only their parent."""
        return self.process.children()

    def manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run another command of manage.py on the site's database, to its end."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=os.environ | self._variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def holding(self, lock: str) -> "subprocess.Popen[str]":
        """Another process with an open transaction in which the Python expression `lock` was evaluated.

        It holds its locks until its standard input is closed (`communicate()`).
        """
        script = (
            "from django.db import transaction\n"
            "from catalog.models import StockLevel\n"
            f"with transaction.atomic():\n    {lock}\n    print('held', flush=True)\n    input()"
        )
        process = subprocess.Popen(
            [sys.executable, "manage.py", "shell", "-v", "0", "-c", script],
            cwd=ROOT,
            env=os.environ | self._variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    def drop_database(self) -> None:
        """Remove the MySQL database that `serve` has created; a SQLite file goes with its folder."""
        if self.engine == "mysql":
            name = urlsplit(self._variables["DATABASE_URL"]).path.lstrip("/")
            statement = f"DROP DATABASE IF EXISTS `{name}`"
            script = f"from django.db import connection; connection.cursor().execute({statement!r})"
            done = self.manage("shell", "-v", "0", "-c", script)
            assert done.returncode == 0, done.stderr


class Redis(Daemon):
    """A Redis that keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "redis.log")
        self.url = f"redis://127.0.0.1:{self.port}/0"

    @staticmethod
    def is_installed() -> bool:
        return shutil.which("redis-server") is not None

    def command(self) -> list[str]:
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "no"}
        return [
            "redis-server",
            *(word for name, value in options.items() for word in (f"--{name}", str(value))),
        ]

    def flush(self) -> None:
        """Forget everything, as a restarted Redis without a disk does."""
        subprocess.run(
            ["redis-cli", "-p", str(self.port), "flushall"], check=True, capture_output=True
        )


class MariaDB(Daemon):
    """A database server of its own: the only one that may be killed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "mariadb.log")
        self._folder = folder / "mariadb"

    @staticmethod
    def is_installed() -> bool:
        return all(shutil.which(name) for name in ("mariadbd", "mariadb-install-db"))

    def url(self, name: str) -> str:
        return f"mysql://root@127.0.0.1:{self.port}/{name}"

    def command(self) -> list[str]:
        return [
            "mariadbd",
            "--no-defaults",
            f"--datadir={self._folder}",
            f"--port={self.port}",
            f"--socket={self._folder}/mariadb.sock",
            f"--pid-file={self._folder}/mariadb.pid",
            "--bind-address=127.0.0.1",
            "--innodb-buffer-pool-size=64M",
            *(["--user=root"] if os.getuid() == 0 else []),
        ]

    def start(self) -> Self:
        if not self._folder.exists():
            subprocess.run(
                [
                    "mariadb-install-db",
                    "--no-defaults",
                    f"--datadir={self._folder}",
                    "--auth-root-authentication-method=normal",
                    "--skip-test-db",
                    *(["--user=root"] if os.getuid() == 0 else []),
                ],
                check=True,
                capture_output=True,
            )
        return super().start()

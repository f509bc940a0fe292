"""`manage.py serve`: from an empty folder to a served site in one process and its forked workers."""

import ctypes
import gc
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage
from django.core.files import locks
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection, connections
from django.db.migrations.executor import MigrationExecutor
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import MPServer

from erp_site.core import redis
from erp_site.core.database import limit_silence

if TYPE_CHECKING:
    from erp_site.core.bodies import Application

M_MMAP_THRESHOLD = (
    -3
)  # malloc.h of glibc: blocks of this size and more are the system's again when they are freed
WAIT_FOR_DATABASE = 60  # seconds; a database container needs about 20 for its first start
WAIT_FOR_WORKERS = 30  # seconds until a worker answers; then the address is printed all the same
WAIT_FOR_LOCK = 600  # seconds; another process may be migrating a large table
MYSQL_UNKNOWN_DATABASE = 1049
#: MySQL client errors of a server that is not there yet: socket, TCP, name, gone, lost; and too many connections.
MYSQL_NOT_YET = frozenset({2002, 2003, 2005, 2006, 2013, 1040})


class Command(BaseCommand):
    help = "Prepare the database (once, whoever comes first) and serve the site until Ctrl-C."
    requires_system_checks = ()  # some ask the database, which may still be starting

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--demo", action="store_true", help="Fill an empty database with demo data."
        )

    def handle(self, *, demo: bool, **options: Any) -> None:
        try:
            refuse_a_taken_port(demo=demo)
            self.wait_for_database()
            self.check()
            with one_process_at_a_time():
                self.migrate()
                self.collect_static_files()
                if demo:
                    self.seed()
            greeting = self.greeting(demo=demo)
            connections.close_all()  # a forked worker must not share its parent's connection
            server(lambda: self.say(greeting)).serve(
                target_loader=application_of_a_worker, wrap_loader=False
            )
        except KeyboardInterrupt:
            self.say("")
        self.say("Stopped.")

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def wait_for_database(self) -> None:
        """Connect, giving a database that is still starting up to 60 s; a missing MySQL database is created."""
        if connection.vendor == "sqlite":
            Path(connection.settings_dict["NAME"]).parent.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + WAIT_FOR_DATABASE
        said = False
        while True:
            try:
                return connection.ensure_connection()
            except DatabaseError as error:
                code = error.args[0] if error.args else None
                if code == MYSQL_UNKNOWN_DATABASE:
                    create_mysql_database()
                elif code not in MYSQL_NOT_YET or time.monotonic() > deadline:
                    raise CommandError(
                        f"The database cannot be used: {error}. Check DATABASE_URL."
                    ) from error
                elif not said:
                    self.say(f"Waiting up to {WAIT_FOR_DATABASE} s for the database ...")
                    said = True
            time.sleep(0.5)

    def migrate(self) -> None:
        """Run `migrate` if a migration is missing, or if it may have the first admin to make."""
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self.say("Migrating the database ...")
        elif not settings.ADMIN_EMAIL:
            return
        call_command("migrate", interactive=False, verbosity=0)

    def collect_static_files(self) -> None:
        """Run `collectstatic` if production's manifest is older than any file it names."""
        files: object = staticfiles_storage
        if not isinstance(files, ManifestFilesMixin):
            return
        manifest = Path(settings.STATIC_ROOT or "", files.manifest_name)
        collected = manifest.stat().st_mtime if manifest.exists() else 0
        sources = (
            Path(storage.path(name))
            for finder in get_finders()
            for name, storage in finder.list([])
        )
        if any(source.stat().st_mtime > collected for source in sources):
            self.say("Collecting static files ...")
            # In a process of its own: workers are copies of this one, and would keep the 50 MiB that compressing takes.
            command = [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity=0"]
            if subprocess.run(command, cwd=settings.BASE_DIR, check=False).returncode:
                raise CommandError("The static files could not be collected.")
            # Workers would answer every page by the manifest that this process has read: none, or the one of before.
            files.hashed_files, files.manifest_hash = files.load_manifest()  # type: ignore[assignment]  # a pair

    def seed(self) -> None:
        from orders.models import Order  # noqa: PLC0415 -- workers import this module before Django is set up

        if not Order._base_manager.exists():
            self.say("Making demo data (once) ...")
            call_command("seed_demo", verbosity=0)

    def greeting(self, *, demo: bool) -> str:
        from erp_site.demo import LOGINS, PASSWORD  # noqa: PLC0415 -- workers import this module before Django is set up

        address = address_to_try()
        lines = ["", f"ERP Pedidos   {address}", f"API           {address}/docs", ""]
        if demo:
            lines.append(f"Sign in with the password {PASSWORD} as")
            lines += [f"  {role.value:<10}{login}" for role, login in LOGINS.items()]
            lines += ["", "Ctrl-C stops it."]
        elif not get_user_model()._base_manager.filter(is_active=True).exists():
            lines.append(
                "Nobody can sign in yet: set ADMIN_EMAIL and ADMIN_PASSWORD, then start again."
            )
        if connection.vendor == "mysql" and workers() < settings.WEB_WORKERS:
            lines.append(
                f"Without REDIS_URL one process serves, not {settings.WEB_WORKERS}: its memory counts sign-in tries."
            )
        if settings.REDIS_URL and (version := redis.outdated(settings.REDIS_URL)):
            lines.append(
                f"Redis {version} is too old, {redis.OLDEST} is needed: it does not know every command, and helps less."
            )
        if settings.SECURE_SSL_REDIRECT and not settings.TRUSTED_PROXIES:
            # The server itself speaks plain HTTP: only a proxy can say that its visitor came by HTTPS.
            lines.append(
                "HTTPS is on and no proxy is trusted: set TRUSTED_PROXIES=1, or every page redirects to itself."
            )
        return "\n".join(lines)


def address_to_try() -> str:
    """Where a browser on this machine finds the server: with compose, at the port that the container is behind."""
    host, _, port = (settings.PUBLISHED or f"{settings.HOST}:{settings.PORT}").rpartition(":")
    host = host.strip("[]")
    if host in {"0.0.0.0", "::"}:  # noqa: S104 -- compared, not bound
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def refuse_a_taken_port(*, demo: bool) -> None:
    """Granian shares its port between workers (SO_REUSEPORT), so a second server would take half the requests."""
    family = socket.AF_INET6 if ":" in settings.HOST else socket.AF_INET
    try:
        socket.create_server((settings.HOST, settings.PORT), family=family).close()
    except OSError as error:
        another = f"PORT={settings.PORT + 1}"
        if "MAKELEVEL" in os.environ:  # make tells those whom it starts
            again = f"make {'run' if demo else 'serve'} {another}"
        else:
            again = f"{another} {' '.join([sys.executable, *sys.argv])}"
        raise CommandError(
            f"Cannot listen on {settings.HOST}:{settings.PORT}: {os.strerror(error.errno or 0)}. "
            f"Stop what is there, or choose another port: {again}"
        ) from error


@contextmanager
def one_process_at_a_time() -> Iterator[None]:
    """Let servers that start together prepare the database one after another, not all at once."""
    if connection.vendor == "mysql":
        with connection.cursor() as cursor:
            # The lock belongs to the session: it goes when the connection does, however this process ends.
            cursor.execute(
                "SELECT GET_LOCK(LEFT(CONCAT('prepare:', DATABASE()), 64), %s)", [WAIT_FOR_LOCK]
            )
            if cursor.fetchone() != (1,):
                raise CommandError(
                    f"Another process has been preparing the database for {WAIT_FOR_LOCK} s."
                )
        try:
            yield
        finally:
            connection.close()
    else:
        with Path(f"{connection.settings_dict['NAME']}.lock").open("w") as file:
            locks.lock(file, locks.LOCK_EX)
            yield


def create_mysql_database() -> None:
    """Create the database that DATABASE_URL names, as far as its user may."""
    name = connection.settings_dict["NAME"]
    try:
        with connection._nodb_cursor() as cursor:
            cursor.execute(
                f"CREATE DATABASE IF NOT EXISTS {connection.ops.quote_name(name)} CHARACTER SET utf8mb4"
            )
    except DatabaseError as error:
        raise CommandError(
            f"There is no database {name}, and this user may not create it: {error}"
        ) from error


class Server(MPServer):
    """Says when it answers; replaces a dead worker however often one dies (Granian gives up at a second in 5.5 s)."""

    def __init__(self, *args: Any, on_answering: Callable[[], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._on_answering = on_answering

    def startup(self, *args: Any, **kwargs: Any) -> None:
        super().startup(*args, **kwargs)
        deadline = time.monotonic() + WAIT_FOR_WORKERS
        # Who reads the address tries it: it must not be refused.
        while not self._answers() and not self.main_loop_interrupt.is_set():
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        self._on_answering()

    def _answers(self) -> bool:
        try:
            socket.create_connection((self.bind_addr, self.bind_port), timeout=1).close()
        except OSError:
            return False
        return True

    def _respawn_workers(self, workers: list[int], *args: Any, **kwargs: Any) -> None:
        super()._respawn_workers(workers, *args, **kwargs)
        self.respawned_wrks.clear()
        time.sleep(0.25)  # so that workers that die at birth do not take the whole machine along


def workers() -> int:
    """How many processes serve: one on SQLite, which has one writer, and one where no Redis is named.

    The limits of requests and of sign-in tries, and which one-time codes were used, are in the memory of a process
    then: with two, a used code would be good once more in the other one.
    """
    is_shared = connection.vendor == "mysql" and settings.REDIS_URL
    return int(settings.WEB_WORKERS) if is_shared else 1


def server(on_answering: Callable[[], None]) -> Server:
    """Granian, told what this site needs: few threads, each with a database connection of its own."""
    if sys.platform == "linux":
        # Workers are copies of this process: Django is loaded once. (Forking is not safe on macOS.)
        multiprocessing.set_start_method("fork", force=True)
    return Server(
        "erp_site.wsgi:application",
        on_answering=on_answering,
        address=settings.HOST,
        port=settings.PORT,
        interface=Interfaces.WSGI,
        workers=workers(),
        blocking_threads=settings.WEB_THREADS,
        blocking_threads_idle_timeout=600,  # seconds; a thread that ends takes its database connection along
        backlog=1024,
        backpressure=512,  # open connections of a worker; an idle keep-alive one counts too
        http=HTTPModes.http1,
        # Milliseconds; it ends idle connections too, so it outlasts the 60 s for which proxies keep theirs.
        http1_settings=HTTP1Settings(header_read_timeout=75_000),
        respawn_failed_workers=True,
        workers_kill_timeout=25 if settings.PRODUCTION else 2,  # seconds for requests under way
        log_level=LogLevels.warning,
        # Through the site's own handler, so that every line has one shape.
        log_dictconfig={
            "formatters": {},
            "handlers": {},
            "loggers": {"_granian": {"propagate": True}},
        },
    )


def give_large_memory_back() -> None:
    """Have glibc return what a sign-in took: Argon2 needs 19 MiB for each.

    By itself it takes the first such block from the system, and once that was freed keeps all later ones, in each
    thread. Another C library has no such habit, and no such switch.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 1024 * 1024)


def application_of_a_worker() -> "Application":
    """What a worker process runs: the site, and a watch on the parent that nothing else would stop it with."""
    # Ctrl-C reaches the whole group. The parent tells its workers then; told twice, one may hang until it is killed.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    threading.Thread(target=stop_with_parent, name="stop-with-parent", daemon=True).start()
    limit_silence()
    give_large_memory_back()
    from erp_site.wsgi import application  # noqa: PLC0415 -- importing it starts the relay, which belongs to a worker

    gc.freeze()  # what is loaded by now stays: no collection need look through it again
    return application


def stop_with_parent() -> None:
    """Without this, workers of a killed server would keep the port and serve on, unsupervised."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

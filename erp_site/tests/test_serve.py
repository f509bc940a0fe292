"""`manage.py serve`, started as people start it: a process of its own, in an empty folder."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError

import psutil
import pytest
import yaml
from django import db
from django.conf import settings
from django.core.management import CommandError, call_command
from django.core.management.utils import get_random_secret_key

from erp_site.management.commands.serve import (
    WAIT_FOR_DATABASE,
    WAIT_FOR_LOCK,
    address_to_try,
    workers,
)
from erp_site.settings import Environment
from erp_site.tests.conftest import database_url

PATIENCE = 60  # seconds; starting takes about two


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def served(
    folder: Path, port: int, *, wait: bool = True, cwd: Path = settings.BASE_DIR, **variables: str
) -> Iterator[subprocess.Popen[str]]:
    """A server of its own on a SQLite file of its own, answering; killed at the end if it still lives."""
    environment = os.environ | {
        "DATABASE_URL": f"sqlite:///{folder}/new/erp.sqlite3",
        "REDIS_URL": "",
        "RELAY": "off",
        "RATE_LIMIT": "",
        "PORT": str(port),
        **variables,
    }
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve"],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,  # of its own, as a shell starts it
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while (
            wait and status(port) is None and process.poll() is None and time.monotonic() < deadline
        ):
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.communicate()


def status(port: int) -> int | None:
    """The HTTP status of /health/live; None if nothing answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=5) as answer:
            return int(answer.status)
    except (URLError, ConnectionError):
        return None


def test_serve_names_its_address_when_it_answers_there(tmp_path: Path) -> None:
    port = free_port()
    with served(tmp_path, port, wait=False) as process:
        assert process.stdout is not None
        address = next(line for line in process.stdout if line.startswith("ERP Pedidos"))
        answered = status(port)
    assert (address.split()[-1], answered) == (f"http://127.0.0.1:{port}", 200)


def test_serve_warns_of_https_that_no_proxy_can_end(tmp_path: Path) -> None:
    with served(tmp_path, free_port(), wait=False, HTTPS="on") as process:
        assert process.stdout is not None
        warning = next(line for line in process.stdout if line.startswith("HTTPS"))
    assert warning.split(":")[1].startswith(" set TRUSTED_PROXIES=1")


class OldRedis(socketserver.StreamRequestHandler):
    """Redis 6: it says so, and takes whatever else it is told."""

    def handle(self) -> None:
        while line := self.rfile.readline():
            words = [
                self.rfile.read(int(self.rfile.readline()[1:]) + 2) for _ in range(int(line[1:]))
            ]
            info = b"# Server\r\nredis_version:6.2.14\r\n"
            is_info = words[0].strip().upper() == b"INFO"
            self.wfile.write(b"$%d\r\n%b\r\n" % (len(info), info) if is_info else b"+OK\r\n")


def test_serve_warns_of_a_redis_that_is_too_old(tmp_path: Path) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), OldRedis) as redis:
        redis.daemon_threads = True
        threading.Thread(target=redis.serve_forever, daemon=True).start()
        url = f"redis://127.0.0.1:{redis.server_address[1]}/0"
        with served(tmp_path, free_port(), wait=False, REDIS_URL=url) as process:
            assert process.stdout is not None
            warning = next(line for line in process.stdout if line.startswith("Redis"))
        redis.shutdown()
    assert warning.startswith("Redis 6.2.14 is too old, 7 is needed")


@pytest.mark.parametrize(
    ("vendor", "redis_url", "processes"),
    [
        ("sqlite", None, 1),
        ("sqlite", "redis://redis:6379/0", 1),
        ("mysql", None, 1),
        ("mysql", "redis://redis:6379/0", 3),
    ],
)
def test_processes_serve_together_where_they_share_what_is_counted(
    vendor: str,
    redis_url: str | None,
    processes: int,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(db.connection, "vendor", vendor)
    settings.REDIS_URL, settings.WEB_WORKERS = redis_url, 3
    assert workers() == processes


@pytest.mark.skipif("db.connection.vendor != 'mysql'", reason="SQLite is served by one process")
@pytest.mark.django_db(transaction=True)
def test_without_redis_one_process_serves_mysql_and_says_why(tmp_path: Path) -> None:
    url = database_url()
    with served(tmp_path, free_port(), DATABASE_URL=url, WEB_WORKERS="2") as process:
        children = len(psutil.Process(process.pid).children())
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=PATIENCE)
    assert children == 1
    assert "Without REDIS_URL one process serves, not 2" in output


def test_serve_prepares_an_empty_folder_and_ends_cleanly_on_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    with served(tmp_path, port) as process:
        answered = status(port)
        os.killpg(process.pid, signal.SIGINT)  # a terminal tells the whole group
        output, _ = process.communicate(timeout=PATIENCE)
    assert (answered, process.returncode) == (200, 0)
    assert output.splitlines() == [
        "Migrating the database ...",
        "",
        f"ERP Pedidos   http://127.0.0.1:{port}",
        f"API           http://127.0.0.1:{port}/docs",
        "",
        "Nobody can sign in yet: set ADMIN_EMAIL and ADMIN_PASSWORD, then start again.",
        "Stopped.",
    ]


def test_in_compose_nothing_waits_for_a_server_that_may_be_migrating() -> None:
    services = yaml.safe_load((settings.BASE_DIR / "docker-compose.yml").read_text())["services"]
    waits_for = {name: set(service.get("depends_on", ())) for name, service in services.items()}
    servers = {"db", "redis"}
    assert waits_for == {"web": servers, "relay": servers, "db": set(), "redis": set()}


def test_a_server_that_waits_for_another_ones_migration_is_not_ill_meanwhile() -> None:
    image = (settings.BASE_DIR / "Dockerfile").read_text()
    (minutes,) = re.findall(r"^HEALTHCHECK .*--start-period=(\d+)m ", image, re.MULTILINE)
    assert int(minutes) * 60 > WAIT_FOR_DATABASE + WAIT_FOR_LOCK


def test_serve_collects_static_files_and_its_pages_name_them_at_the_first_start(
    tmp_path: Path,
) -> None:
    aside = shutil.ignore_patterns(".*", "data", "staticfiles", "e2e", "docs", "__pycache__")
    clone = shutil.copytree(settings.BASE_DIR, tmp_path / "clone", ignore=aside)
    port = free_port()
    key = get_random_secret_key()
    with served(
        tmp_path, port, cwd=clone, PRODUCTION="on", SECRET_KEY=key, ALLOWED_HOSTS="127.0.0.1"
    ):
        url = f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(f"{url}/accounts/login/", timeout=PATIENCE) as answer:
            page = answer.read().decode()
        (style,) = re.findall(r"/static/app\.[0-9a-f]{12}\.css", page)
        with urllib.request.urlopen(f"{url}{style}", timeout=PATIENCE) as answer:
            served_as = answer.read()
    assert served_as == (clone / "staticfiles" / Path(style).name).read_bytes()


def test_serve_makes_the_first_admin_of_a_database_that_has_nobody(tmp_path: Path) -> None:
    port = free_port()
    with served(tmp_path, port) as process:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
    with served(
        tmp_path, port, ADMIN_EMAIL="boss@example.com", ADMIN_PASSWORD="a-long-pass-phrase"
    ) as process:
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, "Nobody can sign in yet" in output) == (0, False)


def test_serve_replaces_a_killed_worker(tmp_path: Path) -> None:
    port = free_port()
    with served(tmp_path, port) as process:
        for _ in range(3):
            (worker,) = psutil.Process(process.pid).children()
            worker.kill()
            deadline = time.monotonic() + PATIENCE
            while status(port) is None and time.monotonic() < deadline:
                time.sleep(0.05)
        answered = status(port)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
    assert (answered, process.returncode) == (200, 0)


def test_workers_of_a_killed_server_leave_the_port(tmp_path: Path) -> None:
    port = free_port()
    with served(tmp_path, port) as process:
        answered = status(port)
        process.kill()
        deadline = time.monotonic() + PATIENCE
        while status(port) is not None and time.monotonic() < deadline:
            time.sleep(0.05)
    assert (answered, status(port)) == (200, None)


def read_answer(connection: socket.socket) -> tuple[int, str]:
    """Status and code of the next answer on an open connection; (0, "") if the server closed it instead."""
    answer = http.client.HTTPResponse(connection)
    try:
        answer.begin()
    except (http.client.RemoteDisconnected, ConnectionError):
        return 0, ""
    return answer.status, json.loads(answer.read()).get("code", "")


def test_a_connection_survives_a_refusal_without_a_look_at_the_body(tmp_path: Path) -> None:
    port = free_port()
    with served(tmp_path, port), socket.create_connection(("127.0.0.1", port)) as connection:
        # As many clients do: the body is a packet of its own, and the refusal may be faster.
        connection.sendall(
            b"POST /api/v1/customers HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n"
        )
        time.sleep(0.3)
        connection.sendall(b"{}")
        refused = read_answer(connection)
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        next_one = read_answer(connection)
    assert (refused, next_one) == ((401, "unauthenticated"), (200, ""))


def test_a_body_in_chunks_is_a_body(tmp_path: Path) -> None:
    def post(body: bytes) -> tuple[int, str]:
        connection.sendall(
            b"POST /api/v1/auth/jwt/login HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        )
        return read_answer(connection)

    port = free_port()
    with served(tmp_path, port), socket.create_connection(("127.0.0.1", port)) as connection:
        small = post(b'{"email": "nobody@example.com", "password": "not-this-one"}')
        large = post(b" " * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1))
    assert (small, large) == ((401, "invalid_credentials"), (413, "body_too_large"))


@pytest.mark.parametrize(
    ("maker", "demo", "again"),
    [
        ("1", True, "make run PORT={port}"),
        ("1", False, "make serve PORT={port}"),
        (None, False, "PORT={port} /venv/bin/python manage.py serve"),
    ],
)
def test_serve_refuses_a_taken_port_and_says_how_to_start_at_another(
    monkeypatch: pytest.MonkeyPatch, maker: str | None, demo: bool, again: str
) -> None:
    monkeypatch.setattr(sys, "executable", "/venv/bin/python")
    monkeypatch.setattr(sys, "argv", ["manage.py", "serve"])
    monkeypatch.delenv("MAKELEVEL", raising=False)
    if maker:
        monkeypatch.setenv("MAKELEVEL", maker)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setattr(settings, "PORT", port)
        with pytest.raises(CommandError) as refused:
            call_command("serve", demo=demo)
    assert str(refused.value) == (
        f"Cannot listen on 127.0.0.1:{port}: Address already in use. "
        f"Stop what is there, or choose another port: {again.format(port=port + 1)}"
    )


@pytest.mark.parametrize(
    ("host", "published", "address"),
    [
        ("127.0.0.1", None, "http://127.0.0.1:8123"),
        ("0.0.0.0", None, "http://localhost:8123"),
        ("::1", None, "http://[::1]:8123"),
        # A container listens at 8123 and is published at another port.
        ("0.0.0.0", "127.0.0.1:8100", "http://127.0.0.1:8100"),
        ("0.0.0.0", "0.0.0.0:8100", "http://localhost:8100"),
        ("0.0.0.0", "[::1]:8100", "http://[::1]:8100"),
    ],
)
def test_the_address_that_is_named_is_where_a_browser_finds_the_server(
    monkeypatch: pytest.MonkeyPatch, host: str, published: str | None, address: str
) -> None:
    monkeypatch.setattr(settings, "HOST", host)
    monkeypatch.setattr(settings, "PORT", 8123)
    monkeypatch.setattr(settings, "PUBLISHED", published)
    assert address_to_try() == address


def test_compose_hands_on_every_variable() -> None:
    compose = (settings.BASE_DIR / "docker-compose.yml").read_text(encoding="utf-8")
    said_by_the_image = {"PRODUCTION"}
    said_for_each_service = {"RELAY"}
    handed_on = set(re.findall(r"^  ([A-Z_]+): ", compose, re.MULTILINE))
    assert handed_on | said_by_the_image | said_for_each_service == set(Environment.model_fields)


def test_a_container_is_told_the_address_that_compose_publishes_it_at() -> None:
    compose = (settings.BASE_DIR / "docker-compose.yml").read_text(encoding="utf-8")
    [told] = re.findall(r"^  PUBLISHED: (.+)$", compose, re.MULTILINE)
    assert re.findall(r'^ +- "(.+):8000"$', compose, re.MULTILINE) == [told]


def test_serve_says_which_variable_is_wrong_when_the_database_cannot_be_used(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "erp.sqlite3").mkdir()  # a folder where the file should be
    with served(tmp_path, free_port()) as process:
        output, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output) == (
        1,
        "CommandError: The database cannot be used: unable to open database file. Check DATABASE_URL.\n",
    )

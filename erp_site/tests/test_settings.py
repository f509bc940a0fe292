"""The environment: what production refuses and how it says so, what each variable becomes."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

import pytest
from django.conf import settings as django_settings
from pydantic import ValidationError

from erp_site.settings import Environment, database, mailer, sender

#: The contract's variables.
VARIABLES: Final = {
    "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DEBUG", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS",
    "TRUSTED_PROXIES", "RATE_LIMIT", "REGISTRATION", "METRICS_TOKEN", "HTTPS", "EMAIL_URL",
    "TIME_ZONE", "ADMIN_EMAIL", "ADMIN_PASSWORD", "WEB_WORKERS", "WEB_THREADS", "HOST", "PORT",
    "RELAY",
    "WEBHOOK_NETWORKS",  # not the contract's, which knows no webhooks
}  # fmt: skip
#: Set by the image, by `make serve` and by docker-compose.yml, never by people.
INTERNAL: Final = {"PRODUCTION", "PUBLISHED"}
ROOT: Final = Path(django_settings.BASE_DIR)
GOOD_SECRET: Final = "kZ8vQ2mX7pL4wN9rT6yB3hJ5cF1gD0sA-uEoIxKqMzWnVbRt"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this machine's environment."""
    for name in VARIABLES | INTERNAL:
        monkeypatch.delenv(name, raising=False)


def production(**given: Any) -> Environment:
    good: dict[str, Any] = {
        "PRODUCTION": True,
        "ALLOWED_HOSTS": "orders.example.com",
        "SECRET_KEY": GOOD_SECRET,
    }
    return Environment(_env_file=None, **(good | given))


def complaint(**given: Any) -> str:
    """What production says about the one wrong variable: its name and the message."""
    with pytest.raises(ValidationError) as refused:
        production(**given)
    (error,) = refused.value.errors()
    return f"{error['loc'][0]} {error['msg'].removeprefix('Value error, ')}"


class TestProduction:
    def test_good_settings_are_taken(self) -> None:
        assert production().ALLOWED_HOSTS == ["orders.example.com"]
        assert production(SECRET_KEY=None).SECRET_KEY is None, "one is made and kept"

    @pytest.mark.parametrize(
        "secret",
        [
            "changeme",
            "django-insecure-" + GOOD_SECRET,
            "Change-Me-" + GOOD_SECRET,
            GOOD_SECRET[:31],
            "abcabcabc" * 6,
            "x" * 50,
        ],
    )
    def test_a_known_or_weak_secret_is_refused(self, secret: str) -> None:
        message = complaint(SECRET_KEY=secret)
        assert message == (
            "SECRET_KEY is short or a known example. Leave it empty (one is made and kept in the data "
            "folder) or set 50 random characters."
        )
        assert secret not in message

    def test_debug_is_refused(self) -> None:
        assert complaint(DEBUG=True) == (
            "DEBUG is on, and shows secrets to visitors. Set DEBUG=off."
        )

    @pytest.mark.parametrize("hosts", ["", " , "])
    def test_no_hosts_are_refused(self, hosts: str) -> None:
        assert complaint(ALLOWED_HOSTS=hosts) == (
            "ALLOWED_HOSTS is empty. Name the hosts people use, "
            "e.g. ALLOWED_HOSTS=orders.example.com,localhost."
        )

    @pytest.mark.parametrize("hosts", ["*", "orders.example.com,*"])
    def test_every_host_is_refused(self, hosts: str) -> None:
        assert complaint(ALLOWED_HOSTS=hosts) == (
            "ALLOWED_HOSTS is '*', which is everybody's. Name the hosts people use, "
            "e.g. ALLOWED_HOSTS=orders.example.com,localhost."
        )

    def test_a_short_password_of_the_first_admin_is_refused(self) -> None:
        assert complaint(ADMIN_PASSWORD="123456789") == (
            "ADMIN_PASSWORD is short. Use at least 10 characters."
        )

    def test_everything_is_said_at_once_before_anything_starts(self, tmp_path: Path) -> None:
        given = {
            "PRODUCTION": "on",
            "DEBUG": "on",
            "ALLOWED_HOSTS": "*",
            "SECRET_KEY": "changeme-hunter2",
            "DATABASE_URL": f"sqlite:///{tmp_path}/erp.sqlite3",
            "PORT": "http",
        }
        started = manage("check", **given)
        first, *complaints = started.stderr.splitlines()
        assert (started.returncode, first) == (1, "The environment is wrong:")
        assert [line.split(".")[0] for line in complaints] == [
            "- SECRET_KEY: is short or a known example",
            "- DEBUG: is on, and shows secrets to visitors",
            "- ALLOWED_HOSTS: is '*', which is everybody's",
            "- PORT: Input should be a valid integer, unable to parse string as an integer",
        ]
        assert "hunter2" not in started.stderr
        assert list(tmp_path.iterdir()) == []

    def test_wrong_values_are_named_one_a_line_without_what_they_were(self) -> None:
        started = manage(
            "check",
            PORT="http",
            TIME_ZONE="Mars/Base",
            DATABASE_URL="postgres://u:hunter2@host/db",
            RATE_LIMIT="many",
            REGISTRATION="maybe",
        )
        assert started.returncode != 0
        complaints = re.findall(r"^- ([A-Z_]+): ", started.stderr, re.MULTILINE)
        assert complaints == ["DATABASE_URL", "RATE_LIMIT", "REGISTRATION", "TIME_ZONE", "PORT"]
        assert "hunter2" not in started.stderr


def manage(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    others = {name: text for name, text in os.environ.items() if name not in VARIABLES}
    return subprocess.run(
        [sys.executable, "manage.py", command],
        cwd=ROOT,
        env=others | environment,
        capture_output=True,
        text=True,
        check=False,
    )


class TestVariables:
    def test_they_are_the_contracts(self) -> None:
        assert set(Environment.model_fields) == VARIABLES | INTERNAL

    def test_the_example_names_each_with_a_line_and_sets_none(self) -> None:
        lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
        named = [line for line in lines if re.match(r"[A-Z_]+=", line)]
        assert sorted(named) == sorted(f"{name}=" for name in VARIABLES)
        for variable in named:
            assert re.match(r"# .+ Default: .+", lines[lines.index(variable) - 1]), variable

    def test_the_example_as_it_is_means_the_defaults(self) -> None:
        copied = Environment(_env_file=ROOT / ".env.example")
        assert copied == Environment(_env_file=None)

    @pytest.mark.parametrize(
        ("variable", "text", "value"),
        [
            ("DEBUG", "on", True),
            ("HTTPS", "off", False),
            (
                "WEBHOOK_NETWORKS",
                "10.0.0.0/8, 192.168.7.4",
                (ip_network("10.0.0.0/8"), ip_network("192.168.7.4/32")),
            ),
            ("ALLOWED_HOSTS", "a.example, b.example,", ["a.example", "b.example"]),
            (
                "ALLOWED_HOSTS",
                ".shop.example,127.0.0.1,[::1]",
                [".shop.example", "127.0.0.1", "[::1]"],
            ),
            ("REDIS_URL", "redis://127.0.0.1:6379/2", "redis://127.0.0.1:6379/2"),
            ("CSRF_TRUSTED_ORIGINS", "https://a.example", ["https://a.example"]),
            ("TRUSTED_PROXIES", "2", 2),
            ("RATE_LIMIT", "off", "off"),
            ("RATE_LIMIT", "20/second", "20/second"),
            ("REDIS_URL", "", None),
        ],
    )
    def test_text_becomes_a_value(
        self, monkeypatch: pytest.MonkeyPatch, variable: str, text: str, value: Any
    ) -> None:
        monkeypatch.setenv(variable, text)
        assert getattr(Environment(_env_file=None), variable) == value

    @pytest.mark.parametrize(
        ("variable", "text"),
        [
            ("DEBUG", "perhaps"),
            ("TRUSTED_PROXIES", "-1"),
            ("TRUSTED_PROXIES", "11"),
            ("RATE_LIMIT", "often"),
            ("RATE_LIMIT", "0/minute"),
            ("ALLOWED_HOSTS", "https://orders.example.com"),
            ("ALLOWED_HOSTS", "localhost,orders.example.com:8000"),
            ("ALLOWED_HOSTS", "localhost orders.example.com"),
            ("REGISTRATION", "secret"),
            ("TIME_ZONE", "Brasil"),
            ("EMAIL_URL", "pigeon://"),
            ("EMAIL_URL", "smtp:/mail.example"),
            ("EMAIL_URL", "smtp://mail.example:99999"),
            ("EMAIL_URL", "smtp://mail.example?from=desk"),
            ("EMAIL_URL", "smtp://mail.example?form=desk@shop.example"),
            ("WEB_WORKERS", "0"),
            ("WEB_THREADS", "65"),
            ("PORT", "65536"),
            ("RELAY", "on"),
            ("DATABASE_URL", "postgres://localhost/erp"),
            ("DATABASE_URL", "mysql://localhost"),
            ("DATABASE_URL", "mysql://erp:hunter2/3@localhost/erp"),
            ("REDIS_URL", "localhost:6379"),
            ("REDIS_URL", "redis://"),
            ("REDIS_URL", "redis://127.0.0.1:6379/abc"),
            ("CSRF_TRUSTED_ORIGINS", "https://a.example,orders.example.com"),
        ],
    )
    def test_a_wrong_value_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, variable: str, text: str
    ) -> None:
        monkeypatch.setenv(variable, text)
        with pytest.raises(ValidationError) as refused:
            Environment(_env_file=None)
        assert [error["loc"] for error in refused.value.errors()] == [(variable,)]
        assert "hunter2" not in str(refused.value)


class TestDatabase:
    @pytest.mark.parametrize(
        ("url", "path"),
        [
            ("sqlite:///data/erp.sqlite3", ROOT / "data" / "erp.sqlite3"),
            ("sqlite:////var/lib/erp.sqlite3", Path("/var/lib/erp.sqlite3")),
            ("sqlite:///with%20space.sqlite3", ROOT / "with space.sqlite3"),
            ("sqlite://", ROOT / "data" / "erp.sqlite3"),
        ],
    )
    def test_sqlite_is_a_path(self, url: str, path: Path) -> None:
        described = database(url)
        assert (described["ENGINE"], described["NAME"]) == ("erp_site.core.sqlite", path)
        assert described["OPTIONS"]["transaction_mode"] == "IMMEDIATE"

    def test_mysql_is_an_address_with_quoted_parts(self) -> None:
        described = database(
            "mysql://erp%40desk:p%2Fw%3Ad@db.example:3307/orders?ssl_mode=REQUIRED"
        )
        kept = {name: described[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}
        assert kept == {
            "NAME": "orders",
            "USER": "erp@desk",
            "PASSWORD": "p/w:d",
            "HOST": "db.example",
            "PORT": "3307",
        }
        assert described["OPTIONS"]["isolation_level"] == "read committed"
        assert described["OPTIONS"]["ssl_mode"] == "REQUIRED"

    def test_mysql_has_its_usual_port(self) -> None:
        described = database("mysql://root@127.0.0.1/erp")
        assert (described["PORT"], described["PASSWORD"]) == ("3306", "")


class TestMail:
    @pytest.mark.parametrize(
        ("url", "port", "tls", "ssl"),
        [
            ("smtp://mail.example", 25, False, False),
            ("smtp+tls://ana:p%40ss@mail.example", 587, True, False),
            ("smtps://ana:p%40ss@mail.example:1465", 1465, False, True),
        ],
    )
    def test_smtp_is_an_address(self, url: str, port: int, tls: bool, ssl: bool) -> None:
        options = mailer(url)["OPTIONS"]
        assert (options["host"], options["port"]) == ("mail.example", port)
        assert (options["use_tls"], options["use_ssl"]) == (tls, ssl)
        assert options["password"] == ("p@ss" if "p%40ss" in url else "")

    @pytest.mark.parametrize(
        ("url", "address"),
        [
            ("smtp://mail.example?from=Mesa%20%3Cdesk@shop.example%3E", "Mesa <desk@shop.example>"),
            ("smtps://ana%40shop.example:secret@mail.example", "ana@shop.example"),
            ("smtps://ana:secret@mail.example", "noreply@orders.shop.example"),
            ("console://", "noreply@orders.shop.example"),
        ],
    )
    def test_mail_comes_from_whom_the_server_knows(self, url: str, address: str) -> None:
        assert sender(url, ["127.0.0.1", "localhost", ".orders.shop.example"]) == address

    def test_where_no_host_has_a_name_it_comes_from_this_machine(self) -> None:
        assert sender("console://", ["127.0.0.1", "localhost", "[::1]"]) == "noreply@localhost"


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import erp_site.settings as module

    monkeypatch.setattr(module, "DATA_DIR", tmp_path / "data")
    return tmp_path / "data"


def test_the_secret_is_made_once_and_is_the_owners_alone(data_folder: Path) -> None:
    from erp_site.settings import kept_secret_key

    first = kept_secret_key()
    assert (kept_secret_key(), len(first) >= 50) == (first, True)
    assert (data_folder / "secret_key").stat().st_mode & 0o777 == 0o600
    assert production(SECRET_KEY=first).PRODUCTION, "production takes it"


def test_servers_that_start_together_share_one_secret(data_folder: Path) -> None:
    from erp_site.settings import kept_secret_key

    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: kept_secret_key(), range(200)))
    assert (len(set(made)), len(made[0]) >= 50) == (1, True)
    assert [file.name for file in data_folder.iterdir()] == ["secret_key"]

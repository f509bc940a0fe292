"""The access log: one line for each answer, with its request id and without secrets."""

import errno
import io
import json
import logging
import os
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from accounts.models import User
from erp_site.testing import PASSWORD

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str], settings: Any) -> Any:
    """What the access log says so far; production's, so the clients of the test come after this."""
    settings.PRODUCTION = True
    said: list[str] = []

    def read() -> list[dict[str, Any]]:
        kept = ("method", "path", "status", "ip", "user", "request_id")
        said.extend(line for line in capsys.readouterr().err.splitlines() if '"request"' in line)
        return [{name: line.get(name) for name in kept} for line in map(json.loads, said)]

    read.said = said  # type: ignore[attr-defined]
    return read


def test_a_line_says_who_asked_what_and_what_came_of_it(lines: Any, operator: User) -> None:
    client = Client(headers={"X-Request-ID": "call-1"})
    client.force_login(operator)
    client.get("/api/v1/orders?search=Padaria+Aurora")
    client.post("/api/v1/orders", {"x": 1}, content_type="application/json", REMOTE_ADDR="10.1.2.3")
    of_both = {"path": "/api/v1/orders", "user": operator.pk, "request_id": "call-1"}
    assert lines() == [
        {"method": "GET", "status": 200, "ip": "127.0.0.1", **of_both},
        {"method": "POST", "status": 422, "ip": "10.1.2.3", **of_both},
    ]


def test_a_stranger_has_no_number(lines: Any) -> None:
    Client().get("/api/v1/orders")
    (line,) = lines()
    assert (line["status"], line["user"]) == (401, None)


def test_probes_and_static_files_are_silent_while_all_is_well(lines: Any) -> None:
    client = Client()
    for path in ("/health", "/health/live", "/health/ready", "/metrics", "/static/none.css"):
        client.get(path)
    failed = [(line["path"], line["status"]) for line in lines()]
    assert failed == [("/metrics", 404), ("/static/none.css", 404)]


def test_the_line_costs_no_query(lines: Any, django_assert_num_queries: Any) -> None:
    client = Client()
    with django_assert_num_queries(0):
        client.get("/docs/errors")
    assert [line["user"] for line in lines()] == [None]


def test_a_link_to_a_new_password_is_not_in_the_log(lines: Any, settings: Any) -> None:
    Client().get("/accounts/password/reset/key/2-cx4kq1-0123456789abcdef/")
    (line,) = lines()
    assert line["path"] == "/accounts/password/reset/key/2-***/"


def test_nor_is_one_that_is_refused_before_it_is_looked_up(lines: Any, settings: Any) -> None:
    key = "/accounts/password/reset/key/2-cx4kq1-0123456789abcdef"
    Client().get(key)
    settings.ALLOWED_HOSTS = ["orders.example.com"]
    Client(headers={"Host": "evil.example"}).get(f"{key}/")
    hidden = "/accounts/password/reset/key/2-***"
    assert [(line["path"], line["status"]) for line in lines()] == [
        (hidden, 301),
        (f"{hidden}/", 400),
    ]


def test_the_demo_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    Client().get("/api/v1/orders")
    assert "/api/v1/orders" not in capsys.readouterr().err


def test_a_line_is_shaped_as_the_others_and_comes_whole(
    settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.PRODUCTION = True
    Client(headers={"X-Request-ID": "call-2"}).get("/health/nothing-ção")
    line = json.loads(capsys.readouterr().err)
    assert line.pop("milliseconds") >= 0
    assert datetime.fromisoformat(line.pop("timestamp")).utcoffset() == timedelta(0)
    assert line == {
        "event": "request", "level": "info", "logger": "erp_site.core.access_log", "request_id": "call-2",
        "method": "GET", "path": "/health/nothing-ção", "status": 404, "ip": "127.0.0.1", "user": None,
    }  # fmt: skip


class FullDisk(io.StringIO):
    """What standard error is where it is kept in a file and the disk is full."""

    def write(self, text: str, /) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_who_asks_is_answered_where_no_line_can_be_written(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PRODUCTION = True
    gone = io.StringIO()
    gone.close()
    for log in (FullDisk(), gone):
        monkeypatch.setattr("sys.stderr", log)
        assert Client().get("/api/v1/orders").status_code == 401


def test_no_password_or_token_is_logged_by_anybody(
    lines: Any, operator: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = Client()
    body = {"email": operator.email, "password": PASSWORD}
    answer = client.post("/api/v1/auth/jwt/login", body, content_type="application/json").json()
    bearer = {"Authorization": f"Bearer {answer['access_token']}"}
    client.get("/api/v1/auth/me", headers=bearer)
    refresh = {"refresh_token": answer["refresh_token"]}
    client.post("/api/v1/auth/jwt/refresh", refresh, content_type="application/json")
    client.post("/accounts/login/", {"login": operator.email, "password": PASSWORD})
    text = json.dumps([str(record.msg) + str(record.args) for record in caplog.records])
    assert len(lines()) == 4
    text += "".join(lines.said)
    for secret in (PASSWORD, answer["access_token"], answer["refresh_token"]):
        assert secret not in text


def test_an_unavailable_database_is_not_logged_without_its_request_id(
    lines: Any, caplog: pytest.LogCaptureFixture
) -> None:
    MigrationRecorder.Migration.objects.filter(app="catalog").latest("pk").delete()
    Client(headers={"X-Request-ID": "probe-1"}, raise_request_exception=False).get("/health/ready")
    (line,) = lines()
    assert (line["status"], line["request_id"]) == (503, "probe-1")
    assert [record for record in caplog.records if record.name == "django.request"] == []


def test_too_much_in_a_form_is_no_traceback_in_the_log(
    lines: Any, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for typed in ({"x": "a" * (1024**2 + 1)}, {f"x{number}": "a" for number in range(2000)}):
        Client().post("/accounts/login/", typed)
        Client().post("/accounts/login/", urlencode(typed), content_type=FORM)
    told = [
        (record.name, record.exc_info) for record in caplog.records if "security" in record.name
    ]
    assert told == [
        ("django.security.RequestDataTooBig", None),
        ("django.security.RequestDataTooBig", None),
        ("django.security.TooManyFieldsSent", None),
        ("django.security.TooManyFieldsSent", None),
    ]


def test_a_wrong_host_is_one_line_that_says_how_to_mend_it(
    lines: Any, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.ALLOWED_HOSTS = ["orders.example.com"]
    Client(headers={"Host": "evil.example"}).get("/accounts/login/")
    (line,) = lines()
    (told,) = [record for record in caplog.records if "DisallowedHost" in record.name]
    assert (line["status"], told.exc_info) == (400, None)
    assert "add 'evil.example' to ALLOWED_HOSTS" in told.getMessage()

"""Signing in and out while another program holds the database."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse

from accounts.models import User
from erp_site.testing import PASSWORD, Api

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def sessions_held() -> Iterator[None]:
    """Another program reads all sessions and lets nobody write them, as a backup or a clean-up may."""
    other: Any
    if connection.vendor == "sqlite":
        other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
    else:
        other = connection.copy()
        cursor = other.cursor()
        # Not ours, but MariaDB's default: it keeps new sessions out as well.
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("BEGIN")
        cursor.execute("SELECT COUNT(*) FROM django_session FOR UPDATE")
    try:
        yield
    finally:
        other.close()


@pytest.fixture
def waits() -> Iterator[list[str]]:
    """The statements that waited for the database in vain, each of them a second."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA busy_timeout = 1000")
        else:
            cursor.execute("SET innodb_lock_wait_timeout = 1")
    waited: list[str] = []

    def look(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        try:
            return execute(sql, *rest)
        except OperationalError:
            waited.append(sql)
            raise

    with connection.execute_wrapper(look):
        yield waited
    connection.close()


@pytest.fixture
def desk() -> Api:
    return Api(Client(raise_request_exception=False))


def credentials(user: User) -> dict[str, str]:
    return {"email": user.email, "password": PASSWORD}


@pytest.mark.parametrize("way", ["jwt", "session"])
def test_a_sign_in_that_meets_a_busy_database_is_503_after_one_wait(
    desk: Api, viewer: User, waits: list[str], way: str
) -> None:
    with sessions_held():
        answer = desk.post(f"/auth/{way}/login", credentials(viewer))
    assert (answer.status, answer.code) == (503, "busy")
    assert answer.headers["Retry-After"] == "2"
    assert len(waits) == 1
    assert not Session.objects.exists()
    assert desk.post(f"/auth/{way}/login", credentials(viewer)).status == 200


def test_a_token_sign_out_that_meets_a_busy_database_is_503_and_does_nothing(
    desk: Api, viewer: User, waits: list[str]
) -> None:
    pair = desk.post("/auth/jwt/login", credentials(viewer)).body
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    (before,) = Session.objects.values()
    with sessions_held():
        answer = desk("post", "/auth/jwt/logout", headers=headers)
    assert (answer.status, answer.code) == (503, "busy")
    assert answer.headers["Retry-After"] == "2"
    assert len(waits) == 1
    assert list(Session.objects.values()) == [before]
    assert desk("post", "/auth/jwt/logout", headers=headers).status == 204
    assert desk("get", "/auth/me", headers=headers).status == 401


def test_a_sign_out_is_not_half_done_where_the_database_is_free_again_at_once(
    desk: Api, viewer: User
) -> None:
    """allauth saves the session, emptied by then, after the deletion that failed."""
    pair = desk.post("/auth/jwt/login", credentials(viewer)).body
    headers = {"Authorization": f"Bearer {pair['access_token']}"}

    def refuse(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith("DELETE"):
            raise OperationalError("database is locked")
        return execute(sql, *rest)

    with connection.execute_wrapper(refuse):
        answer = desk("post", "/auth/jwt/logout", headers=headers)
    assert answer.status == 503
    refreshed = desk.post("/auth/jwt/refresh", {"refresh_token": pair["refresh_token"]})
    assert refreshed.status == 200


def test_a_cookie_sign_out_that_meets_a_busy_database_is_503_and_does_nothing(
    desk: Api, viewer: User, waits: list[str]
) -> None:
    desk.post("/auth/session/login", credentials(viewer))
    with sessions_held():
        answer = desk("post", "/auth/session/logout")
    assert (answer.status, answer.code) == (503, "busy")
    assert len(waits) == 1
    assert desk.get("/auth/me").status == 200
    assert desk("post", "/auth/session/logout").status == 204


def test_a_page_whose_session_cannot_be_saved_is_503_and_no_session_that_ended(
    viewer: User, waits: list[str]
) -> None:
    """It is saved by a middleware, when the page is made already."""
    browser = Client(raise_request_exception=False)
    browser.force_login(viewer, backend="accounts.backends.RoleBackend")
    confirm = reverse("account_reauthenticate")
    with sessions_held():
        response = browser.post(confirm, {"password": PASSWORD})
    assert (response.status_code, response.get("Retry-After")) == (503, "2")
    assert len(waits) == 1
    assert browser.post(confirm, {"password": PASSWORD}).status_code == 302

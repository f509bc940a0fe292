"""Guessing is slow, refreshing has one winner, and neither needs Redis."""

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from allauth.headless import app_settings as headless_settings
from allauth.headless.tokens.strategies.jwt import JWTTokenStrategy, internal
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from accounts.services import create_machine_client
from erp_site.core.redis import PAUSE, breaker
from erp_site.testing import PASSWORD, Answer, Api, in_parallel, second_factor

pytestmark = pytest.mark.django_db
type MakeUser = Callable[..., User]
LIMITS = {
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/300s/key",
    "signup": "2/m/ip",
    "machine_token": "3/m/ip",
}


@pytest.fixture
def limits(settings: Any) -> None:
    """As in the product; tests run without them otherwise."""
    settings.ACCOUNT_RATE_LIMITS = LIMITS


@pytest.fixture(params=["refused", "hung"])
def no_redis(request: pytest.FixtureRequest, settings: Any) -> Iterator[None]:
    """A Redis that refuses connections, and one that accepts them and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1] if request.param == "hung" else 1
        url = f"redis://127.0.0.1:{port}/0"
        settings.CACHES = {
            "default": {
                "BACKEND": "erp_site.core.cache.RedisOrLocalCache",
                "LOCATION": url,
                "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 0.25, "SOCKET_TIMEOUT": 0.25},
            }
        }
        cache.clear()
        breaker(url)._retry_at = None  # the test is the first to notice
        yield
        cache.clear()
        breaker.cache_clear()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Call it and so many seconds have gone by."""
    now, gone = time.time, 0.0

    def pass_by(seconds: float) -> None:
        nonlocal gone
        gone += seconds

    monkeypatch.setattr(time, "time", lambda: now() + gone)
    return pass_by


def wait(answer: Any) -> int:
    return int(answer.headers["Retry-After"])


def login(api: Api, email: str, password: str = PASSWORD, **kwargs: Any) -> Answer:
    return api.post("/auth/jwt/login", {"email": email, "password": password}, **kwargs)


def guess(api: Api, email: str, times: int) -> list[int]:
    return [login(api, email, "wrong").status for _ in range(times)]


class TestSignInLimits:
    def test_the_sixth_guess_at_one_account_is_429_even_if_right(
        self, anonymous: Api, viewer: User, limits: None
    ) -> None:
        assert guess(anonymous, viewer.email, 6) == [401] * 5 + [429]
        answer = login(anonymous, viewer.email)
        assert (answer.status, answer.code) == (429, "rate_limited")

    def test_guesses_count_whatever_host_they_name(
        self, anonymous: Api, viewer: User, limits: None
    ) -> None:
        hosts = [f"testserver:{port}" for port in range(1, 6)]
        for host in hosts:
            assert login(anonymous, viewer.email, "wrong", headers={"Host": host}).status == 401
        assert login(anonymous, f" {viewer.email.upper()}").status == 429

    def test_who_guessed_too_often_is_told_when_the_first_guess_is_forgotten(
        self, anonymous: Api, viewer: User, limits: None, later: Callable[[float], None]
    ) -> None:
        guess(anonymous, viewer.email, 1)
        later(200)
        guess(anonymous, viewer.email, 4)
        seconds = wait(login(anonymous, f" {viewer.email.upper()} "))
        assert 90 <= seconds <= 100
        later(seconds - 20)
        assert 1 <= wait(login(anonymous, viewer.email)) <= 20
        later(20)
        assert login(anonymous, viewer.email).status == 200

    def test_a_busy_address_waits_for_its_minute_and_not_for_the_five_of_an_account(
        self, anonymous: Api, limits: None, later: Callable[[float], None]
    ) -> None:
        for n in range(10):
            guess(anonymous, f"user{n}@example.com", 1)
            later(3)
        seconds = wait(login(anonymous, "user99@example.com", "wrong"))
        assert 25 <= seconds <= 30
        later(seconds)
        assert login(anonymous, "user99@example.com", "wrong").status == 401

    def test_whose_code_is_wrong_too_often_waits_no_longer_than_such_a_limit_lasts(
        self, anonymous: Api, viewer: User, limits: None
    ) -> None:
        second_factor(viewer)
        token = login(anonymous, viewer.email).body["session_token"]
        body = {"session_token": token, "code": "000000"}
        answers = [anonymous.post("/auth/jwt/mfa", body) for _ in range(6)]
        assert [answer.status for answer in answers] == [401] * 5 + [429]
        assert wait(answers[5]) == 300

    def test_guesses_at_many_accounts_are_counted_by_address(
        self, anonymous: Api, viewer: User, limits: None
    ) -> None:
        statuses = [guess(anonymous, f"user{n}@example.com", 1)[0] for n in range(11)]
        assert statuses == [401] * 10 + [429]

    def test_right_passwords_do_not_count_as_guesses(
        self, anonymous: Api, viewer: User, limits: None
    ) -> None:
        assert [login(anonymous, viewer.email).status for _ in range(7)] == [200] * 7

    def test_the_page_and_the_api_count_together(
        self, anonymous: Api, viewer: User, limits: None
    ) -> None:
        for _ in range(5):
            Client().post("/accounts/login/", {"login": viewer.email, "password": "wrong"})
        assert login(anonymous, viewer.email).status == 429

    def test_rate_limit_off_lifts_them(self, anonymous: Api, viewer: User) -> None:
        assert guess(anonymous, viewer.email, 7) == [401] * 7

    def test_too_many_registrations_are_429(
        self, anonymous: Api, settings: Any, limits: None
    ) -> None:
        settings.REGISTRATION = "open"
        answers = [
            anonymous.post(
                "/auth/register",
                {"email": f"n{n}@example.com", "name": "N", "password": "a-long-password"},
            )
            for n in range(3)
        ]
        assert [answer.status for answer in answers] == [201, 201, 429]
        assert 50 <= wait(answers[2]) <= 60

    def test_too_many_tries_at_the_token_endpoint_are_429(
        self, limits: None, later: Callable[[float], None]
    ) -> None:
        body = {"grant_type": "client_credentials", "client_id": "x", "client_secret": "y"}
        answers = [Client().post("/identity/o/api/token", body) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
        later(45)
        assert 1 <= wait(Client().post("/identity/o/api/token", body)) <= 15

    def test_a_forwarded_address_counts_only_behind_a_trusted_proxy(
        self, anonymous: Api, viewer: User, settings: Any, limits: None
    ) -> None:
        def guess_from(address: str, number: int) -> int:
            headers = {"X-Forwarded-For": address}
            return login(anonymous, f"user{number}@example.com", "wrong", headers=headers).status

        settings.TRUSTED_PROXIES = 1
        assert [guess_from("10.0.0.1", n) for n in range(11)] == [401] * 10 + [429]
        assert guess_from("10.0.0.2", 20) == 401
        assert guess_from("10.0.0.2, 10.0.0.1", 21) == 429
        settings.TRUSTED_PROXIES = 0
        assert [guess_from(f"10.0.0.{n}", n) for n in range(11)] == [401] * 10 + [429]


class TestWithoutRedis:
    def test_people_sign_in_and_guesses_are_still_counted(
        self,
        anonymous: Api,
        viewer: User,
        operator: User,
        limits: None,
        no_redis: None,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        started = time.monotonic()
        assert login(anonymous, operator.email).status == 200
        assert guess(anonymous, viewer.email, 6) == [401] * 5 + [429]
        assert login(anonymous, operator.email).status == 200
        waits = sum("redis_left_alone" in record.getMessage() for record in caplog.records)
        pauses = (time.monotonic() - started) / PAUSE
        assert 1 <= waits <= 1 + pauses, "one timeout, then Redis is left alone for a while"

    def test_the_page_signs_in_too(self, viewer: User, limits: None, no_redis: None) -> None:
        client = Client()
        body = {"login": viewer.email, "password": PASSWORD}
        assert client.post("/accounts/login/", body).status_code == 302
        assert client.session["_auth_user_id"] == str(viewer.pk)

    def test_the_cache_remembers_in_process(self, no_redis: None) -> None:
        assert cache.add("a", 1) is True
        assert cache.add("a", 2) is False
        assert cache.incr("a") == 2
        cache.set("b", "x", timeout=60)
        assert (cache.get("a"), cache.get("b"), cache.get("c", "none")) == (2, "x", "none")
        assert cache.touch("b", 30) is True
        assert ("b" in cache, cache.delete("b"), "b" in cache) == (True, True, False)
        assert cache.set_many({"d": 4, "e": [5]}, 60) == []
        assert cache.get_many(key for key in "adex") == {"a": 2, "d": 4, "e": [5]}


def test_the_cache_answers_several_questions_at_once() -> None:
    assert cache.set_many({"d": 4, "e": [5]}, 60) == []
    assert cache.get_many(key for key in "dex") == {"d": 4, "e": [5]}


@pytest.mark.django_db(transaction=True)
class TestRefreshRace:
    THREADS = 8

    @pytest.fixture
    def refresh_token(self, anonymous: Api, viewer: User) -> str:
        return login(anonymous, viewer.email).body["refresh_token"]

    @pytest.fixture
    def slow_rotation(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Time between reading and writing the session, as a busy server has it."""
        invalidate = internal.invalidate_refresh_token

        def slowly(*args: Any) -> None:
            time.sleep(0.3)
            invalidate(*args)

        monkeypatch.setattr(internal, "invalidate_refresh_token", slowly)

    def answers(self, refresh_token: str) -> list[Answer]:
        def refresh() -> Answer:
            api = Api(Client(raise_request_exception=False))
            return api.post("/auth/jwt/refresh", {"refresh_token": refresh_token})

        return in_parallel(*[refresh] * self.THREADS)

    def the_one_winner(self, answers: list[Answer]) -> dict[str, str]:
        assert sorted(answer.status for answer in answers) == [200] + [401] * (self.THREADS - 1)
        return next(answer.body for answer in answers if answer.status == 200)

    def test_of_eight_refreshes_one_wins_and_its_tokens_live(
        self, anonymous: Api, refresh_token: str, slow_rotation: None
    ) -> None:
        pair = self.the_one_winner(self.answers(refresh_token))
        headers = {"Authorization": f"Bearer {pair['access_token']}"}
        assert anonymous("get", "/auth/me", headers=headers).status == 200
        again = anonymous.post("/auth/jwt/refresh", {"refresh_token": pair["refresh_token"]})
        assert again.status == 200

    def test_there_is_one_winner_without_redis_too(
        self, refresh_token: str, slow_rotation: None, no_redis: None
    ) -> None:
        self.the_one_winner(self.answers(refresh_token))

    def test_control_without_the_lock_several_win_and_all_but_one_hold_dead_tokens(
        self, anonymous: Api, refresh_token: str, slow_rotation: None
    ) -> None:
        def unlocked() -> tuple[str, str] | None:
            return JWTTokenStrategy.refresh_token(headless_settings.TOKEN_STRATEGY, refresh_token)

        winners = [pair for pair in in_parallel(*[unlocked] * self.THREADS) if pair]
        assert len(winners) > 1
        alive = [
            anonymous.post("/auth/jwt/refresh", {"refresh_token": token}).status
            for _, token in winners
        ]
        assert alive.count(200) == 1

    def test_a_logout_during_a_refresh_leaves_no_living_token(
        self, anonymous: Api, viewer: User, slow_rotation: None
    ) -> None:
        pair = login(anonymous, viewer.email).body

        def log_out() -> int:
            time.sleep(0.1)
            headers = {"Authorization": f"Bearer {pair['access_token']}"}
            return Api(Client())("post", "/auth/jwt/logout", headers=headers).status

        def refresh() -> Answer:
            api = Api(Client(raise_request_exception=False))
            return api.post("/auth/jwt/refresh", {"refresh_token": pair["refresh_token"]})

        refreshed, logged_out = in_parallel(refresh, log_out)
        assert (refreshed.status, logged_out) == (200, 204)
        headers = {"Authorization": f"Bearer {refreshed.body['access_token']}"}
        assert anonymous("get", "/auth/me", headers=headers).status == 401


def test_machine_limits_do_not_touch_people(anonymous: Api, viewer: User, limits: None) -> None:
    create_machine_client(name="Scanner", role="viewer")
    for _ in range(4):
        Client().post("/identity/o/api/token", {"grant_type": "client_credentials"})
    assert login(anonymous, viewer.email).status == 200

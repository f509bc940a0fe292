"""Limits on requests: by address and by account, on Redis and without it, and what the headers say."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from limits import parse
from redis import Redis

from accounts.models import User
from catalog.models import Product
from customers.models import Customer
from erp_site.core import redis as product_redis
from erp_site.core.ratelimit import Limiter, client_ip
from erp_site.testing import PASSWORD, Answer, Api
from erp_site.tests.conftest import RedisServer

pytestmark = pytest.mark.django_db

type Ask = Callable[[str, str], Answer]


@pytest.fixture
def three_an_hour(settings: Any) -> None:
    settings.RATE_LIMIT = "3/hour"
    settings.REDIS_URL = None


@pytest.fixture
def three_an_hour_in_redis(settings: Any, redis_server: RedisServer) -> None:
    settings.RATE_LIMIT = "3/hour"


def from_address(address: str, user: User | None = None, **headers: str) -> Api:
    client = Client(
        REMOTE_ADDR=address,
        raise_request_exception=False,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )
    if user:
        client.force_login(user, "accounts.backends.RoleBackend")
    return Api(client)


def statuses(api: Api, times: int) -> list[int]:
    return [api.get("/auth/me").status for _ in range(times)]


@pytest.mark.usefixtures("three_an_hour")
class TestHeaders:
    def test_every_answer_says_what_is_left(self, viewer: User) -> None:
        api = from_address("10.0.0.1", viewer)
        answers = [api.get("/auth/me") for _ in range(3)]
        assert [answer.headers["RateLimit-Limit"] for answer in answers] == ["3", "3", "3"]
        assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0"]
        for answer in answers:
            assert 1 <= int(answer.headers["RateLimit-Reset"]) <= 7200
            assert "Retry-After" not in answer.headers

    def test_beyond_the_limit_is_429_with_the_time_to_wait(self, viewer: User) -> None:
        api = from_address("10.0.0.1", viewer)
        statuses(api, 3)
        answer = api.get("/auth/me")
        assert (answer.status, answer.code, answer.headers["Content-Type"]) == (
            429,
            "rate_limited",
            "application/problem+json",
        )
        assert answer.headers["RateLimit-Remaining"] == "0"
        assert 1 <= int(answer.headers["Retry-After"]) <= 7200
        assert answer.body["request_id"] == answer.headers["X-Request-ID"]

    def test_a_refused_request_costs_no_query(
        self, viewer: User, django_assert_num_queries: Any
    ) -> None:
        api = from_address("10.0.0.1", viewer)
        statuses(api, 3)
        with django_assert_num_queries(0):
            assert api.get("/auth/me").status == 429

    def test_refusals_of_django_itself_say_it_too(self, viewer: User) -> None:
        api = from_address("10.0.0.1", viewer)
        answers = [api.get("/nowhere"), api("put", "/orders")]
        assert [answer.status for answer in answers] == [404, 405]
        assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1"]

    def test_pages_and_health_are_not_limited(self, viewer: User) -> None:
        api = from_address("10.0.0.1", viewer)
        statuses(api, 4)
        assert [api.client.get(path).status_code for path in ("/", "/health/live")] == [200, 200]


def test_without_a_limit_there_are_no_headers(viewer: User, settings: Any) -> None:
    settings.RATE_LIMIT = "off"
    answer = from_address("10.0.0.1", viewer).get("/auth/me")
    assert [name for name in answer.headers if name.startswith("RateLimit")] == []


@pytest.mark.usefixtures("three_an_hour")
class TestWho:
    def test_addresses_are_counted_apart(self) -> None:
        client = Client(raise_request_exception=False)
        api = Api(client)
        client.defaults["REMOTE_ADDR"] = "10.0.0.1"
        assert statuses(api, 4) == [401, 401, 401, 429]
        client.defaults["REMOTE_ADDR"] = "10.0.0.2"
        assert statuses(api, 1) == [401]

    def test_an_account_is_counted_wherever_it_comes_from(self, viewer: User) -> None:
        api = from_address("10.0.0.1", viewer)
        seen = []
        for number in range(4):
            api.client.defaults["REMOTE_ADDR"] = f"10.0.1.{number}"
            seen.append(api.get("/auth/me"))
        assert [answer.status for answer in seen] == [200, 200, 200, 429]
        assert [answer.headers["RateLimit-Remaining"] for answer in seen] == ["2", "1", "0", "0"]
        assert int(seen[3].headers["Retry-After"]) >= 1

    def test_what_is_refused_for_its_body_counts_for_the_account(self, operator: User) -> None:
        api = from_address("10.0.0.1", operator)
        seen = []
        for number in range(4):
            api.client.defaults["REMOTE_ADDR"] = f"10.0.1.{number}"
            seen.append(api.post("/orders", {"customer_id": "x"}).status)
        assert seen == [422, 422, 422, 429]

    def test_accounts_behind_one_address_share_its_limit(
        self, viewer: User, operator: User
    ) -> None:
        api = from_address("10.0.0.1", viewer)
        assert statuses(api, 2) == [200, 200]
        api.client.force_login(operator, "accounts.backends.RoleBackend")
        assert statuses(api, 2) == [200, 429]

    def test_a_made_up_forwarded_address_counts_as_the_real_one(self) -> None:
        api = Api(Client(raise_request_exception=False))
        seen = [
            api("get", "/auth/me", headers={"X-Forwarded-For": f"1.2.3.{n}"}).status
            for n in range(4)
        ]
        assert seen == [401, 401, 401, 429]

    def test_behind_a_trusted_proxy_the_clients_are_counted(self, settings: Any) -> None:
        settings.TRUSTED_PROXIES = 1
        api = Api(Client(raise_request_exception=False))

        def ask(forwarded: str) -> int:
            return api("get", "/auth/me", headers={"X-Forwarded-For": forwarded}).status

        assert [ask("1.2.3.4") for _ in range(4)] == [401, 401, 401, 429]
        assert ask("1.2.3.5") == 401
        # What the client itself put before the proxy's word is not believed.
        assert ask("9.9.9.9, 1.2.3.4") == 429


@pytest.mark.parametrize(
    ("trusted", "forwarded", "expected"),
    [
        (0, None, "10.0.0.1"),
        (0, "1.1.1.1", "10.0.0.1"),
        (1, "1.1.1.1", "1.1.1.1"),
        (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        (2, "6.6.6.6, 1.1.1.1, 2.2.2.2", "1.1.1.1"),
        (2, "1.1.1.1", "10.0.0.1"),
        (1, None, "10.0.0.1"),
        (1, " , ", "10.0.0.1"),
        (1, "not-an-address", "unknown"),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        (1, "1.1.1.1\x00", "unknown"),
        # A server that listens on :: too, and proxies that write the port.
        (1, "::ffff:1.1.1.1", "1.1.1.1"),
        (1, "1.1.1.1:4711", "1.1.1.1"),
        (1, "[2001:db8:1:2::7]:4711", "2001:db8:1:2::"),
        (1, "[2001:db8:1:2::7]", "2001:db8:1:2::"),
        (1, "1.1.1.1:port", "unknown"),
    ],
)
def test_whose_address_it_is(
    rf: Any, settings: Any, trusted: int, forwarded: str | None, expected: str
) -> None:
    settings.TRUSTED_PROXIES = trusted
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    assert client_ip(rf.get("/", REMOTE_ADDR="10.0.0.1", headers=headers)) == expected


class TestBearer:
    """A call with a token of ours: its account is known before it is signed in."""

    @pytest.fixture
    def token(self, operator: User) -> str:
        answer = from_address("10.0.0.1").post(
            "/auth/jwt/login", {"email": operator.email, "password": PASSWORD}
        )
        return str(answer.body["access_token"])

    @pytest.fixture
    def ask(self) -> Ask:
        """One site, asked from many addresses."""
        api = from_address("10.0.0.1")

        def ask(address: str, token: str) -> Answer:
            api.client.defaults["REMOTE_ADDR"] = address
            return api("get", "/auth/me", headers={"Authorization": token and f"Bearer {token}"})

        return ask

    @pytest.mark.usefixtures("three_an_hour_in_redis")
    def test_one_round_trip_counts_address_and_account(
        self, redis: Redis, token: str, ask: Ask
    ) -> None:
        ask("10.0.0.2", token)
        before = redis.info("commandstats")["cmdstat_eval"]["calls"]
        seen = [ask(f"10.0.1.{n}", token) for n in range(3)]
        assert redis.info("commandstats")["cmdstat_eval"]["calls"] - before == 3
        assert [answer.status for answer in seen] == [200, 200, 429]
        assert [answer.headers["RateLimit-Remaining"] for answer in seen] == ["1", "0", "0"]

    def test_the_round_trip_that_counts_asks_for_the_idempotency_key_too(
        self, settings: Any, redis: Redis, token: str, product: Product, customer: Customer
    ) -> None:
        settings.RATE_LIMIT = "100/hour"
        api = from_address("10.0.0.2", Authorization=f"Bearer {token}")

        def place(key: str) -> tuple[int, bool, int, bool]:
            before = redis.info("stats")["total_reads_processed"]
            with CaptureQueriesContext(connection) as queries:
                answer = api(
                    "post",
                    "/orders",
                    {
                        "customer_id": customer.pk,
                        "items": [{"product_id": product.pk, "quantity": 1}],
                    },
                    headers={"Idempotency-Key": key},
                )
            trips = redis.info("stats")["total_reads_processed"] - before - 1  # INFO is one itself
            locked = any("UPDATE" in query["sql"] for query in queries)
            return answer.status, "Idempotent-Replayed" in answer.headers, trips, locked

        place("that connects")
        assert place("a") == (201, False, 1, True)
        assert place("a") == (200, True, 1, False)
        assert place("b") == (201, False, 1, True)

    @pytest.mark.usefixtures("three_an_hour_in_redis")
    def test_an_address_that_is_refused_does_not_use_the_account_up(
        self, redis: Redis, token: str, ask: Ask
    ) -> None:
        for _ in range(3):
            ask("10.0.0.9", "")
        assert [ask("10.0.0.9", token).status for _ in range(5)] == [429] * 5
        assert ask("10.0.0.2", token).headers["RateLimit-Remaining"] == "2"

    @pytest.mark.usefixtures("three_an_hour")
    def test_without_redis_both_are_counted_too(self, token: str, ask: Ask) -> None:
        seen = [ask(f"10.0.1.{n}", token) for n in range(4)]
        assert [answer.status for answer in seen] == [200, 200, 200, 429]
        assert [answer.headers["RateLimit-Remaining"] for answer in seen] == ["2", "1", "0", "0"]

    @pytest.mark.usefixtures("three_an_hour")
    def test_a_token_of_nobody_counts_for_its_address_alone(self, token: str, ask: Ask) -> None:
        forged = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
        assert [ask("10.0.0.2", forged).status for _ in range(4)] == [401, 401, 401, 429]
        assert ask("10.0.0.3", token).headers["RateLimit-Remaining"] == "2"


@pytest.mark.parametrize("in_redis", [False, True])
def test_the_reset_is_when_the_window_ends(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, in_redis: bool
) -> None:
    url = request.getfixturevalue("redis_server").url if in_redis else None
    limiter = Limiter(parse("30/minute"), url)
    resets = []
    for second in (0, 17, 59.5, 60, 77, 119):
        monkeypatch.setattr(time, "time", lambda now=second: 1_000_000 * 60.0 + now)
        resets.append([limiter.hit("ip:a").reset for _ in range(8)])
    assert resets == [[60] * 8, [43] * 8, [1] * 8, [60] * 8, [43] * 8, [1] * 8]


class TestRedis:
    def test_processes_count_together(self, redis_server: RedisServer) -> None:
        one, other = (Limiter(parse("3/hour"), redis_server.url) for _ in range(2))
        hits = [limiter.hit("ip:a") for limiter in (one, other, one, other)]
        assert [hit.allowed for hit in hits] == [True, True, True, False]
        assert [hit.remaining for hit in hits] == [2, 1, 0, 0]

    def test_with_redis_gone_the_process_counts_alone(self, redis_server: RedisServer) -> None:
        limiter = Limiter(parse("3/hour"), redis_server.url)
        limiter.hit("ip:a")
        redis_server.stop()
        assert [limiter.hit("ip:a").allowed for _ in range(4)] == [True, True, True, False]

    def test_the_window_slides_in_redis_too(
        self, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limiter = Limiter(parse("4/minute"), redis_server.url)
        monkeypatch.setattr(time, "time", lambda: 1_000_000 * 60.0 + 59)
        assert [limiter.hit("ip:a").allowed for _ in range(6)] == [True] * 4 + [False] * 2
        # Half of the next window later half of those four still count, the two refused never did.
        monkeypatch.setattr(time, "time", lambda: 1_000_001 * 60.0 + 30)
        assert [limiter.hit("ip:a") for _ in range(3)] == [
            (True, 1, 30),
            (True, 0, 30),
            (False, 0, 30),
        ]

    def test_a_hanging_redis_is_asked_once_and_then_left_alone(
        self, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        limiter = Limiter(parse("3/hour"), redis_server.url)
        limiter.hit("ip:a")
        redis_server.hang()
        allowed = [limiter.hit("ip:a").allowed for _ in range(4)]
        waits = sum("redis_left_alone" in each.getMessage() for each in caplog.records)
        assert (allowed, waits) == ([True, True, True, False], 1)
        redis_server.go_on()
        product_redis.breaker(redis_server.url)._retry_at = 0
        assert limiter.hit("ip:b").remaining == 2
        other = Limiter(parse("3/hour"), redis_server.url)
        assert other.hit("ip:b").remaining == 1, "both count in Redis again"

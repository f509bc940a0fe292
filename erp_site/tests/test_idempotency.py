"""Idempotency keys, and a Redis that may be away, slow or wrong without anybody noticing."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from erp_site.core import idempotency
from erp_site.core import redis as redis_module
from erp_site.core.errors import Invalid
from erp_site.core.idempotency import (
    IdempotencyKeyConflict,
    IdempotencyKeyMissing,
    parse_key,
)
from erp_site.testing import in_parallel

PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=255)


@pytest.mark.parametrize(
    ("header", "body", "key"),
    [
        ("abc", None, "abc"),
        ('"abc"', None, "abc"),
        (r'"a\"b\\c"', None, r'a"b\c'),
        (None, "abc", "abc"),
        ("abc", "abc", "abc"),
        ('"abc"', "abc", "abc"),
        ("ABC", None, "ABC"),
        ("x" * 255, None, "x" * 255),
        ('a"b', None, 'a"b'),
        (r"a\b", None, r"a\b"),
        ("k1,k2", None, "k1,k2"),
        (None, '"abc"', '"abc"'),
        (None, '"abc', '"abc'),
    ],
)
def test_a_key_comes_from_the_header_bare_or_quoted_or_from_the_body(header, body, key):
    assert parse_key(header, body) == key


@given(PRINTABLE)
def test_every_printable_key_survives_quoting(key):
    quoted = '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert parse_key(quoted, key) == key


def test_two_different_keys_are_refused():
    with pytest.raises(IdempotencyKeyConflict) as refusal:
        parse_key("abc", "abd")
    assert (refusal.value.status, refusal.value.code) == (400, "idempotency_key_conflict")


def test_a_missing_key_is_refused_where_one_is_required():
    with pytest.raises(IdempotencyKeyMissing) as refusal:
        parse_key(None, None)
    assert (refusal.value.status, refusal.value.code) == (400, "idempotency_key_missing")
    assert parse_key(None, None, required=False) is None
    assert parse_key("abc", None, required=False) == "abc"


@pytest.mark.parametrize("key", ["", "x" * 256, "ä", "a\nb", "a\x00", "\x7f", "\ud800", "日本"])
def test_a_key_that_is_not_printable_ascii_is_refused_naming_its_place(key):
    for header, body, pointer in [
        (f'"{key}"', None, "Idempotency-Key"),
        (None, key, "/idempotency_key"),
    ]:
        with pytest.raises(Invalid) as refusal:
            parse_key(header, body)
        assert refusal.value.status == 422
        assert [error["pointer"] for error in refusal.value.facts["errors"]] == [pointer]


@pytest.mark.parametrize(
    "header",
    ['"', '"abc', 'abc"', '"ab"c"', r'"abc\"', r'"a\bc"', '"abc"x', '"a","b"', '"a", "a"', '"a";b=1', ' "a'],
)  # fmt: skip
def test_a_header_that_is_not_quoted_as_a_whole_is_refused(header):
    with pytest.raises(Invalid) as refusal:
        parse_key(header, None)
    assert refusal.value.facts["errors"][0]["pointer"] == "Idempotency-Key"
    assert refusal.value.facts["errors"][0]["code"] == "invalid_key"


def test_a_key_hash_tells_actor_operation_and_case_apart():
    hashes = {
        idempotency.key_hash(1, "order.place", "a"),
        idempotency.key_hash(2, "order.place", "a"),
        idempotency.key_hash(1, "order.status", "a"),
        idempotency.key_hash(1, "order.place", "A"),
        idempotency.key_hash(1, "order.place", "a "),
    }
    assert len(hashes) == 5
    assert {len(value) for value in hashes} == {64}


def test_a_fingerprint_depends_on_values_and_not_on_the_order_of_names():
    one = idempotency.fingerprint({"a": 1, "b": {"x": [1, 2], "y": None}})
    same = idempotency.fingerprint({"b": {"y": None, "x": [1, 2]}, "a": 1})
    others = [
        idempotency.fingerprint(request)
        for request in (
            {"a": "1", "b": {"x": [1, 2], "y": None}},
            {"a": 1, "b": {"x": [2, 1], "y": None}},
            {"a": 1, "b": {"x": [1, 2]}},
            {"a": 1, "b": {"x": [1, 2], "y": "\ud800"}},
        )
    ]
    assert one == same
    assert len({one, *others}) == 5


KEY = idempotency.key_hash(1, "order.place", "k")


def test_without_redis_nothing_is_remembered(settings):
    settings.REDIS_URL = None
    assert [idempotency.seen_before(KEY) for _ in range(2)] == [False, False]


def test_redis_remembers_for_a_day(redis_server, redis):
    assert [idempotency.seen_before(KEY) for _ in range(3)] == [False, True, True]
    [name] = redis.keys()
    assert 86_000 < redis.ttl(name) <= 86_400
    assert idempotency.seen_before(idempotency.key_hash(2, "order.place", "k")) is False


def test_another_type_in_redis_is_no_hint(redis_server, redis):
    idempotency.seen_before(KEY)
    [name] = redis.keys()
    redis.delete(name)
    redis.rpush(name, "a")
    assert idempotency.seen_before(KEY) is False


def test_a_redis_that_refuses_one_command_goes_on_with_the_others(redis_server, redis):
    """As Redis 6 refuses SET with both NX and GET: an error is an answer, and no outage."""
    redis.execute_command("ACL", "SETUSER", "default", "-set")
    accelerator = redis_module.breaker(redis_server.url)
    with capture_logs() as logs:
        for number in range(1, 4):
            beside = redis_module.Question(("SET", "a", "1"))
            assert accelerator.command("INCR", "n", beside=beside) == number
            assert beside.answer is None
            assert idempotency.seen_before(KEY) is False
            assert accelerator.attempt(lambda client: client.set("b", "1")) is None
    assert [entry["event"] for entry in logs] == ["redis_refuses"]  # once a minute
    assert "set" in logs[0]["error"]


def timed(call, *args) -> float:
    began = time.perf_counter()
    assert call(*args) is False
    return time.perf_counter() - began


def was_waited_for(call, *args) -> bool:
    """Did this call give Redis all the time that a request has, and not several times as much?"""
    took = timed(call, *args)
    assert took < 3 * redis_module.HURRY
    return took > 0.9 * redis_module.HURRY


def test_a_hung_redis_costs_one_request_a_moment_and_then_nobody_anything(redis_server):
    idempotency.seen_before(KEY)
    redis_server.hang()
    waited = [was_waited_for(idempotency.seen_before, KEY) for _ in range(50)]
    assert waited == [True] + [False] * 49


def test_a_redis_that_hangs_before_the_first_connection_costs_no_more(redis_server):
    redis_server.hang()
    assert [was_waited_for(idempotency.seen_before, KEY) for _ in range(2)] == [True, False]


def test_after_the_pause_one_request_finds_out_while_the_others_go_on(redis_server, monkeypatch):
    monkeypatch.setattr(redis_module, "PAUSE", 0.4)
    idempotency.seen_before(KEY)
    redis_server.hang()
    timed(idempotency.seen_before, KEY)
    time.sleep(0.45)
    waited = in_parallel(*[lambda: was_waited_for(idempotency.seen_before, KEY)] * 8)
    assert sorted(waited) == [False] * 7 + [True]


def test_redis_is_used_again_when_it_is_back(redis_server, monkeypatch):
    monkeypatch.setattr(redis_module, "PAUSE", 0.2)
    redis_server.stop()
    assert not was_waited_for(idempotency.seen_before, KEY)
    redis_server.start()
    assert idempotency.seen_before(KEY) is False
    time.sleep(0.25)
    assert [idempotency.seen_before(KEY) for _ in range(2)] == [False, True]


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one(redis_server, monkeypatch):
    monkeypatch.setattr(redis_module, "PAUSE", 0.2)
    idempotency.seen_before(KEY)
    redis_server.hang()
    timed(idempotency.seen_before, KEY)
    redis_server.go_on()
    time.sleep(0.25)
    assert idempotency.seen_before(idempotency.key_hash(3, "order.place", "k")) is False
    assert idempotency.seen_before(KEY) is True


def test_many_threads_share_the_breaker(redis_server):
    def work() -> bool:
        keys = [
            idempotency.key_hash(threading.get_ident(), "order.place", str(n)) for n in range(50)
        ]
        return [idempotency.seen_before(key) for key in keys * 2] == [False] * 50 + [True] * 50

    assert in_parallel(*[work] * 8) == [True] * 8

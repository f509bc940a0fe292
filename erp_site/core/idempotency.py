"""Idempotency keys: what a key is, what it stands for, and a hint from Redis whether it was used before.

The database row that a key has made is the record (`key_hash` is UNIQUE there). What Redis says is a hint: it
decides only whether the row is looked for before the transaction or in it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final, Literal, overload

from django.http import HttpRequest
from django.utils.translation import gettext as _

from . import redis
from .errors import Invalid, Malformed

HEADER: Final = "Idempotency-Key"
REMEMBERED_FOR: Final = 24 * 60 * 60  # seconds; later repeats take the ordinary way

_KEY = re.compile(r"[\x20-\x7e]{1,255}")
#: A whole string of RFC 8941: quotation marks and backslashes inside it are escaped, nothing else is.
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_ESCAPED = re.compile(r'\\(["\\])')

_canonical: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


class IdempotencyKeyMissing(Malformed):
    """The operation needs a key, in the header or in the body."""

    code = "idempotency_key_missing"
    title = "Idempotency key missing"


class IdempotencyKeyConflict(Malformed):
    """Header and body carry different keys."""

    code = "idempotency_key_conflict"
    title = "Two idempotency keys"


@overload
def parse_key(header: str | None, body: str | None) -> str: ...
@overload
def parse_key(header: str | None, body: str | None, *, required: Literal[False]) -> str | None: ...
def parse_key(header: str | None, body: str | None, *, required: bool = True) -> str | None:
    """The key that header or body carries; the header's may be quoted (RFC 8941, section 3.3.3).

    Raises:
        IdempotencyKeyMissing: neither carries one, and it is required.
        IdempotencyKeyConflict: they carry different ones.
        Invalid: not 1 to 255 printable ASCII characters, or half quoted.
    """
    from_header = None if header is None else _checked(_unquoted(header), pointer=HEADER)
    from_body = None if body is None else _checked(body, pointer="/idempotency_key")
    if from_header is not None and from_body is not None and from_header != from_body:
        raise IdempotencyKeyConflict(
            _(
                "The Idempotency-Key header and idempotency_key in the body differ; send one of them."
            )
        )
    key = from_body if from_header is None else from_header
    if key is None and required:
        raise IdempotencyKeyMissing(
            _(
                "Send an Idempotency-Key header, or idempotency_key in the body: a new key for each new order."
            )
        )
    return key


def _unquoted(header: str) -> str:
    header = header.strip(" \t")
    if not (header.startswith('"') or header.endswith('"')):
        return header
    if quoted := _QUOTED.fullmatch(header):
        return _ESCAPED.sub(r"\1", quoted[1])
    # Taken as it stands, a mark that was lost on the way would make another key of it, and a second order.
    raise Invalid.field(
        HEADER,
        "invalid_key",
        _(
            "A quoted idempotency key is quoted as a whole; a quotation mark or a backslash in it follows a backslash."
        ),
    )


def _checked(key: str, *, pointer: str) -> str:
    if not _KEY.fullmatch(key):
        raise Invalid.field(
            pointer, "invalid_key", _("An idempotency key is 1 to 255 printable ASCII characters.")
        )
    return key


def key_hash(actor_id: int, operation: str, key: str) -> str:
    """The key as it is stored: of one actor and one operation, and safe from any collation. 64 hex digits."""
    return hashlib.sha256(f"{actor_id}|{operation}|{key}".encode()).hexdigest()


def fingerprint(request: Mapping[str, Any]) -> str:
    """What the request asks for, as 64 hex digits: equal exactly if the (JSON) values are, in any key order."""
    return hashlib.sha256(_canonical(request).encode()).hexdigest()


def seen_before(key_hash: str) -> bool:
    """Has this key probably been used? False where Redis does not know, is away, or there is none.

    One round trip that asks and remembers; see `redis.BestEffort` for what it costs when Redis is not well.
    """
    accelerator = redis.best_effort()
    return accelerator is not None and bool(accelerator.command(*_asking(key_hash)))


def ask_ahead(request: HttpRequest, account_id: int) -> redis.Question | None:
    """Whether this account has sent the key of this request's header here before, for Redis to be asked on the way.

    Under a name of its own: to which operation the path leads is not known yet.
    """
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None or request.method != "POST":
        return None
    question = redis.Question(_asking(key_hash(account_id, request.path, key)))
    request.key_asked = question  # type: ignore[attr-defined]  # for told_ahead
    return question


def told_ahead(request: HttpRequest) -> bool | None:
    """What came of `ask_ahead`; None if nothing was asked."""
    question: redis.Question | None = getattr(request, "key_asked", None)
    return None if question is None else bool(question.answer)


def _asking(key_hash: str) -> tuple[str | int, ...]:
    return "SET", f"erp:idempotency:{key_hash}", "1", "NX", "GET", "EX", REMEMBERED_FOR

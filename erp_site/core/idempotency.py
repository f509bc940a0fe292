"""Idempotency keys: what a key is, what it stands for, and a hint from Redis where its result lies.

The database row that a key has made is the record (design: `key_hash` is UNIQUE there). What Redis remembers
is a hint: the caller looks the row up by id and key hash, so that a stale or wrong hint finds nothing and
the ordinary way is taken.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, overload

from django.utils.translation import gettext as _

from . import redis
from .errors import Invalid, Malformed

HEADER: Final = "Idempotency-Key"
REMEMBERED_FOR: Final = 24 * 60 * 60  # seconds; later repeats are answered by the database alone

_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_ESCAPED = re.compile(r'\\(["\\])')
_REMEMBERED = re.compile(r"([0-9a-f]{64}):([1-9][0-9]{0,17})")


class IdempotencyKeyMissing(Malformed):
    """The operation needs a key, in the header or in the body."""

    code = "idempotency_key_missing"
    title = "Idempotency key missing"


class IdempotencyKeyConflict(Malformed):
    """Header and body carry different keys."""

    code = "idempotency_key_conflict"
    title = "Two idempotency keys"


@dataclass(frozen=True, slots=True)
class Remembered:
    """A hint: this key was used for the request with this fingerprint and made the row with this id."""

    fingerprint: str
    object_id: int


@overload
def parse_key(header: str | None, body: str | None) -> str: ...
@overload
def parse_key(header: str | None, body: str | None, *, required: Literal[False]) -> str | None: ...
def parse_key(header: str | None, body: str | None, *, required: bool = True) -> str | None:
    """The key that header or body carries; the header's may be quoted (RFC 8941, section 3.3.3).

    Raises:
        IdempotencyKeyMissing: neither carries one, and it is required.
        IdempotencyKeyConflict: they carry different ones.
        Invalid: not 1 to 255 printable ASCII characters.
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
    if len(header) > 1 and header.startswith('"') and header.endswith('"'):
        return _ESCAPED.sub(r"\1", header[1:-1])
    return header


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
    canonical = json.dumps(request, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def remember(key_hash: str, fingerprint: str, object_id: int) -> None:
    """Tell Redis, after the commit, what the key has made. Never fails; see `redis.best_effort` for its cost."""
    if accelerator := redis.best_effort():
        value = f"{fingerprint}:{object_id}"
        accelerator.attempt(lambda client: client.set(_name(key_hash), value, ex=REMEMBERED_FOR))


def recall(key_hash: str) -> Remembered | None:
    """What Redis remembers of the key, if anything. Only a hint: look up the row by this id AND this key hash."""
    accelerator = redis.best_effort()
    value = accelerator.attempt(lambda client: client.get(_name(key_hash))) if accelerator else None
    match = _REMEMBERED.fullmatch(value) if isinstance(value, str) else None
    return Remembered(match[1], int(match[2])) if match else None


def _name(key_hash: str) -> str:
    return f"erp:idempotency:{key_hash}"

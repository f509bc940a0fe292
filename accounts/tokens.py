"""The tokens people's programs sign in with: short-lived access, rotating refresh, both tied to a session row."""

import functools
import time
from dataclasses import dataclass
from typing import Any, Final

from allauth.headless.tokens.strategies.jwt import JWTTokenStrategy, internal
from django.contrib.sessions.models import Session
from django.db.models import Exists
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from erp_site.core.statements import Query, columns_of
from erp_site.core.transactions import retrying_atomic

from .models import User

#: Which password the token was made under: it ends with that password, as a session does.
PASSWORD_CLAIM: Final = "pwd"


class JWTStrategy(JWTTokenStrategy):
    """allauth's stateful JWT with the role as a claim, and a refresh that has one winner."""

    def get_claims(self, user: User) -> dict[str, Any]:
        """The role is for the client's own menus: every request reads it from the user's row again."""
        return {"role": user.role, PASSWORD_CLAIM: user.get_session_auth_hash()}

    def refresh_token(self, refresh_token: str) -> tuple[str, str] | None:
        """A new (access, refresh) pair, and the old refresh token is dead. None: expired, used or revoked."""
        payload = internal.decode_token(refresh_token, "refresh")
        session_key = payload and internal.session_key_from_sid(payload["sid"])
        return self._rotate(refresh_token, session_key) if session_key else None

    @retrying_atomic
    def _rotate(self, refresh_token: str, session_key: str) -> tuple[str, str] | None:
        # The session's row is the lock: allauth reads, changes and writes it, so of four refreshes at
        # once four won and three of their tokens were dead. On the row, not in the cache: there is one
        # winner with Redis away too. (SQLite has no row locks: there BEGIN IMMEDIATE is the lock.)
        if not Session.objects.select_for_update().filter(session_key=session_key):
            return None  # signed out meanwhile
        return super().refresh_token(refresh_token)


@dataclass(frozen=True, slots=True)
class Claims:
    """What an access token says, its signature verified."""

    user_id: int
    session_key: str
    password: str
    expires: int  # seconds since the epoch


class InvalidToken(Exception):
    """Not a token of ours, or not an access token, or expired when it was first seen."""


@functools.lru_cache(maxsize=4096)
def _read(token: str) -> Claims:
    """A signature once verified stays true; what is refused is not remembered."""
    payload = internal.decode_token(token, "access")
    session_key = payload and internal.session_key_from_sid(payload["sid"])
    if not payload or not session_key or PASSWORD_CLAIM not in payload:
        raise InvalidToken
    return Claims(
        int(payload["sub"]), session_key, str(payload[PASSWORD_CLAIM]), int(payload["exp"])
    )


def _claims_of(token: str) -> Claims | None:
    try:
        claims = _read(token)
    except InvalidToken:
        return None
    return claims if claims.expires > time.time() else None


def claimed_account(request: HttpRequest) -> int | None:
    """Whom a Bearer token of ours names, its signature verified: RATE_LIMIT_ACCOUNT.

    Whether they are still signed in is not asked, which is enough to count by: who holds such a token was signed in
    minutes ago.
    """
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    claims = _claims_of(token) if scheme.lower() == "bearer" else None
    return claims.user_id if claims else None


_signed_in: Final = Query(
    lambda user_id, session_key, now: User.objects.filter(
        Exists(Session.objects.filter(session_key=session_key, expire_date__gt=now)),
        pk=user_id,
        is_active=True,
    ).values_list(*columns_of(User))
)


@functools.lru_cache(maxsize=4096)
def _mark_of(password: str) -> str:
    """What PASSWORD_CLAIM says of a stored (hashed) password: the same as long as the password is."""
    return User(password=password).get_session_auth_hash()


def user_of_access_token(token: str) -> User | None:
    """Whose access token this is, if they are still signed in: one statement.

    Nothing that can be revoked is remembered between requests: the session's row ends with signing out, the
    user's says whether they are active and what their role and password are now.
    """
    claims = _claims_of(token)
    if claims is None:
        return None
    second = timezone.now().replace(microsecond=0)  # which all requests of it share
    for row in _signed_in(claims.user_id, claims.session_key, second):
        user = User.from_db(None, columns_of(User), row)
        if constant_time_compare(_mark_of(user.password), claims.password):
            return user
    return None

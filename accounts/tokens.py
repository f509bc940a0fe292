"""The tokens people's programs sign in with: short-lived access, rotating refresh, both tied to a session row."""

from typing import Any

from allauth.headless.tokens.strategies.jwt import JWTTokenStrategy, internal
from django.contrib.sessions.models import Session

from erp_site.core.transactions import retrying_atomic

from .models import User


class JWTStrategy(JWTTokenStrategy):
    """allauth's stateful JWT with the role as a claim, and a refresh that has one winner."""

    def get_claims(self, user: User) -> dict[str, Any]:
        """The role is for the client's own menus: every request reads it from the user's row again."""
        return {"role": user.role}

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

"""Who a request is: signing in by e-mail through allauth, sessions, permissions from the role table.

Every page, and every piece of one that htmx asks for, begins with the two statements that are compiled here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.models import Session
from django.db import InterfaceError, OperationalError
from django.db.models import Model
from django.utils import timezone

from erp_site.core.statements import Query, columns_of

from .models import User

_user: Final = Query(lambda pk: User.objects.filter(pk=pk).values_list(*columns_of(User)))
_session: Final = Query(
    lambda key, now: Session.objects.filter(session_key=key, expire_date__gt=now).values_list(
        "session_data"
    )
)


class RoleBackend(AuthenticationBackend):
    """Whoever asks the backend gets the user's own answer: the role's. A visitor may nothing."""

    def get_user(self, user_id: Any) -> User | None:
        for row in _user(user_id):
            user = User.from_db(None, columns_of(User), row)
            return user if self.user_can_authenticate(user) else None
        return None

    def get_all_permissions(self, user_obj: Any, obj: Model | None = None) -> set[str]:
        return user_obj.get_all_permissions(obj) if isinstance(user_obj, User) else set()

    def has_perm(self, user_obj: Any, perm: str, obj: Model | None = None) -> bool:
        return perm in self.get_all_permissions(user_obj, obj)


class SessionStore(db.SessionStore):
    """Django's sessions in the database (`SESSION_ENGINE`), which tell a busy database from a session that ended."""

    _failure: OperationalError | InterfaceError | None = None

    def load(self) -> dict[str, Any]:
        for (data,) in _session(self.session_key, timezone.now()):
            return self.decode(data)
        self._session_key = None
        return {}

    def save(self, must_create: bool = False) -> None:
        """Raises UpdateError only where the row is gone: Django says that of whatever the database refuses."""
        with self._given_up_once():
            super().save(must_create)

    def delete(self, session_key: str | None = None) -> None:
        with self._given_up_once():
            super().delete(session_key)

    @contextmanager
    def _given_up_once(self) -> Iterator[None]:
        # allauth saves a session on its way out of a failure too. That would wait as long again, or find that what
        # was not made is not there, or empty the row that a sign-out could not delete: signed out by half.
        if self._failure is not None:
            raise self._failure
        try:
            yield
        except UpdateError as error:
            if not isinstance(error.__context__, (OperationalError, InterfaceError)):
                raise
            self._failure = error.__context__
            raise self._failure from None
        except (OperationalError, InterfaceError) as error:
            self._failure = error
            raise

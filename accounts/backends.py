"""Who a request is: signing in by e-mail through allauth, sessions, permissions from the role table.

Every page, and every piece of one that htmx asks for, begins with the two statements that are compiled here.
"""

from typing import Any, Final

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
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
    """Django's sessions in the database (`SESSION_ENGINE`)."""

    def load(self) -> dict[str, Any]:
        for (data,) in _session(self.session_key, timezone.now()):
            return self.decode(data)
        self._session_key = None
        return {}

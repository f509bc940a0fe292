"""Signing in by e-mail through allauth; permissions from the role table."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.db.models import Model

from .models import User


class RoleBackend(AuthenticationBackend):
    """Whoever asks the backend gets the user's own answer: the role's. A visitor may nothing."""

    def get_all_permissions(self, user_obj: Any, obj: Model | None = None) -> set[str]:
        return user_obj.get_all_permissions(obj) if isinstance(user_obj, User) else set()

    def has_perm(self, user_obj: Any, perm: str, obj: Model | None = None) -> bool:
        return perm in self.get_all_permissions(user_obj, obj)

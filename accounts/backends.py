"""Signing in by e-mail through allauth; permissions from the role table."""

from allauth.account.auth_backends import AuthenticationBackend
from django.db.models import Model

from .models import User
from .roles import ROLE_PERMISSIONS, Role


class RoleBackend(AuthenticationBackend):
    """Roles answer Django's own has_perm without a query, so views, templates and API ask the same way."""

    def get_all_permissions(self, user_obj: User, obj: Model | None = None) -> frozenset[str]:
        if not user_obj.is_active or obj is not None:
            return frozenset()
        return ROLE_PERMISSIONS[Role(user_obj.role)]

    def has_perm(self, user_obj: User, perm: str, obj: Model | None = None) -> bool:
        return perm in self.get_all_permissions(user_obj, obj)

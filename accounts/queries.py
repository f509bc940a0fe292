"""Reading users."""

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from erp_site.core.errors import NotFound

from .models import User


def get_user(user_id: int) -> User:
    """Raises NotFound."""
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise NotFound(_("There is no such user."), user_id=user_id)
    return user


def users() -> QuerySet[User]:
    return User.objects.all()

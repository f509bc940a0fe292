"""Reading users."""

from typing import Final

from allauth.mfa.utils import is_mfa_enabled
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from erp_site.core.errors import NotFound
from erp_site.core.events import Aggregate, EventType
from erp_site.core.models import Event

from .models import User

#: What a list may be sorted by: the public name and its column.
SORTS: Final = {"name": "sorted_name", "email": "email", "created_at": "created_at"}


def get_user(user_id: int) -> User:
    """Raises NotFound."""
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise NotFound(_("There is no such user."), user_id=user_id)
    return user


def users() -> QuerySet[User]:
    return User.objects.all()


def waiting_users() -> QuerySet[User]:
    """Those who registered and were never let in: inactive, without ever having been deactivated."""
    shut_out = Event.objects.filter(
        aggregate=Aggregate.USER, aggregate_id=OuterRef("pk"), type=EventType.USER_DEACTIVATED
    )
    return User.objects.filter(~Exists(shut_out), is_active=False)


def has_second_factor(user: User) -> bool:
    """Does signing in ask for more than the password?"""
    return is_mfa_enabled(user)


def events_of(user_id: int) -> QuerySet[Event]:
    """What the event log says about one user, newest first, each with who did it."""
    own = Event.objects.filter(aggregate=Aggregate.USER, aggregate_id=user_id)
    return own.prefetch_related("actor").order_by("-sequence")

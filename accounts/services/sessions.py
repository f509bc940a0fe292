"""Sessions: whose each is, and their end."""

from allauth.idp.oidc.models import Token
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.models import User
from erp_site.core import clock
from erp_site.core.errors import Denied
from erp_site.core.transactions import retrying_atomic

SWEPT_AT_ONCE = 100


class AccountInactive(Denied):
    """Deactivated while they were signing in."""

    code = "account_inactive"
    status = 401  # as for every sign-in that is refused


def end_sessions(*, user: User) -> None:
    """Sign `user` out everywhere: browsers, JWT pairs (they live in sessions) and machine tokens."""
    own = UserSession.objects.filter(user=user)
    Session.objects.filter(session_key__in=list(own.values_list("session_key", flat=True))).delete()
    own.delete()
    Token.objects.filter(Q(user=user) | Q(client__owner=user)).delete()


@retrying_atomic
def remember_session(*, user: User, session_key: str, ip: str, user_agent: str) -> None:
    """Note that and when they signed in, and whose session this is: people see where they are, deactivation ends it.

    Raises:
        AccountInactive: the account was deactivated since the password was checked.
    """
    now = clock.now()
    # Locks the account, too: without that a deactivation does not see this session yet, and it works again when the
    # account does.
    if not User.objects.filter(pk=user.pk, is_active=True).update(last_login=now):
        raise AccountInactive(_("This account is not active."))
    user.last_login = now
    UserSession.objects.update_or_create(
        session_key=session_key,
        defaults={"user": user, "ip": ip, "user_agent": user_agent[:200]},
    )
    _sweep_expired(user)


def _sweep_expired(user: User) -> None:
    """Delete what has ended, a little at every sign-in: there is no cron to forget."""
    now = clock.now()
    for expired in (
        Session.objects.filter(expire_date__lt=now).order_by("expire_date"),
        Token.objects.filter(expires_at__lt=now).order_by("expires_at"),
    ):
        # Found by a plain read and deleted by key: a DELETE over a range locks what others are inserting.
        if keys := list(expired.values_list("pk", flat=True)[:SWEPT_AT_ONCE]):
            expired.model._default_manager.filter(pk__in=keys).delete()
    living = Session.objects.filter(expire_date__gt=now).values("session_key")
    ended = UserSession.objects.filter(user=user).exclude(session_key__in=living)
    if keys := list(ended.values_list("pk", flat=True)[:SWEPT_AT_ONCE]):
        UserSession.objects.filter(pk__in=keys).delete()

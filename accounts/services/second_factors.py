"""Second factors that were lost are taken away, by a manager or by whoever runs the server."""

from allauth.mfa.models import Authenticator
from django.utils.translation import gettext as _

from accounts.models import User
from erp_site.core.errors import NotFound
from erp_site.core.transactions import retrying_atomic

from .managing import OwnAccount, locked_pair
from .writing import save


@retrying_atomic
def remove_second_factors(*, actor: User, user_id: int) -> User:
    """Take away somebody's authenticator app, passkeys and recovery codes, who has lost them: the password signs in.

    Every session and token of theirs ends: what is lost may have been found. Nothing happens where there is none.

    Raises:
        Denied: not allowed to manage this user.
        OwnAccount: one's own are on one's own page, behind the password.
        NotFound
    """
    actor, user = locked_pair(actor, user_id)
    if user == actor:
        raise OwnAccount(_("Your own second step is on your own page."))
    _remove_second_factors(user, actor)
    return user


@retrying_atomic
def rescue(*, email: str) -> User:
    """`remove_second_factors` by whoever runs the server, for an administrator whom nobody else may help.

    Raises:
        NotFound
    """
    user = (
        User.objects.select_for_update().filter(email=User.objects.normalize_email(email)).first()
    )
    if user is None:
        raise NotFound(_("There is no such user."))
    _remove_second_factors(user, None)
    return user


def _remove_second_factors(user: User, actor: User | None) -> None:
    removed, _by_model = Authenticator.objects.filter(user=user).delete()
    if removed:
        save(user, actor, {"second_factors": None})

"""One's own password: changed by whoever knows it, or set by whoever proved their right in another way."""

from django.utils.translation import gettext as _

from accounts.models import User
from erp_site.core.errors import Invalid
from erp_site.core.transactions import retrying_atomic

from .writing import Changes, put_password, save


class WrongPassword(Invalid):
    """The current password given is not the present one."""


@retrying_atomic
def change_password(*, actor: User, current_password: str, new_password: str) -> None:
    """Change one's own password. Every session and token of the user ends, the present one too.

    Raises:
        WrongPassword: the current password is wrong.
        Invalid: the new one is too weak.
    """
    user = User.objects.select_for_update().get(pk=actor.pk)
    if not user.check_password(current_password):
        raise WrongPassword.field(
            "/current_password", "wrong_password", _("This is not your current password.")
        )
    set_password(user=user, password=new_password, pointer="/new_password")


@retrying_atomic
def set_password(*, user: User, password: str, pointer: str = "/password") -> None:
    """Give `user` a password they proved their right to in another way (a reset link, a signed-in page)."""
    locked = User.objects.select_for_update().get(pk=user.pk)
    changes: Changes = {}
    put_password(locked, password, changes, pointer=pointer)
    save(locked, locked, changes)
    user.password = locked.password

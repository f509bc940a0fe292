"""Changing an account: somebody else's, or one's own name and language."""

from decimal import Decimal

from django.utils.translation import gettext as _

from accounts.models import User
from accounts.roles import Role
from erp_site.core.transactions import retrying_atomic

from .managing import OwnAccount, locked_pair, require_may_manage
from .writing import changed, put_password, save


@retrying_atomic
def update_user(
    *,
    actor: User,
    user_id: int,
    name: str | None = None,
    role: str | None = None,
    is_active: bool | None = None,
    password: str | None = None,
    discount_limit: Decimal | None = None,
) -> User:
    """Change somebody's account; None leaves a field as it is.

    The last active admin cannot be lost: only an active admin may demote or deactivate an admin, nobody
    may do it to themselves, and both rows are locked, so at least the actor remains.

    Args:
        discount_limit: as for a new user, in percent; lines of orders keep what was agreed upon before.

    Raises:
        Denied: not allowed to manage this user or to grant this role.
        OwnAccount: one's own role, activity, discount limit or password.
        NotFound, Invalid.
    """
    actor, user = locked_pair(actor, user_id)
    if role is not None:
        require_may_manage(actor, Role(role))
    changes = changed(
        user, name=name, role=role, is_active=is_active, discount_limit=discount_limit
    )
    if password is not None:
        put_password(user, password, changes, pointer="/password")
    if user == actor and changes.keys() & {"role", "is_active", "discount_limit", "password"}:
        raise OwnAccount(
            _(
                "Your own role, activity and discount limit are changed by somebody else; your password on your own "
                "page."
            )
        )
    save(user, actor, changes)
    return user


@retrying_atomic
def update_me(*, actor: User, name: str | None = None, language: str | None = None) -> User:
    """Change one's own name or language; None leaves a field as it is."""
    user = User.objects.select_for_update().get(pk=actor.pk)
    save(user, user, changed(user, name=name, language=language))
    return user

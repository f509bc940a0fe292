"""Whose account may be changed by whom."""

from django.utils.translation import gettext as _

from accounts.models import User
from accounts.roles import Permission, Role, may_manage
from erp_site.core.errors import Denied, NotFound


class OwnAccount(Denied):
    """Nobody changes their own role or discount limit, deactivates themselves, or resets their own password or second
    step.
    """

    code = "own_account"


def may_manage_user(actor: User, user: User) -> bool:
    """May `actor` change this account? Some things of one's own are refused all the same: see OwnAccount."""
    return may_manage(Role(actor.role), Role(user.role))


def require_may_manage_user(actor: User, user: User) -> None:
    """Raises Denied unless `actor` may change this account."""
    require_manager(actor)
    require_may_manage(actor, Role(user.role))


def require_manager(actor: User) -> None:
    """Raises Denied unless `actor` manages users at all."""
    if not actor.has_perm(Permission.MANAGE_USERS):
        raise Denied(_("Your role may not manage users."), permission=Permission.MANAGE_USERS)


def require_may_manage(actor: User, subject: Role) -> None:
    """Raises Denied unless `actor` may manage users of this role, or make somebody one."""
    if not may_manage(Role(actor.role), subject):
        raise Denied(_("Only an administrator may do this to an administrator."), role=subject)


def locked_pair(actor: User, user_id: int) -> tuple[User, User]:
    """Both rows, locked and read again: whoever acts, and on whom they may."""
    require_manager(actor)
    # Without the lock on the actor two admins demote each other at the same moment, and none is left.
    # In the order of the primary key, so that they queue instead of deadlocking.
    locked = {
        user.pk: user
        for user in User.objects.select_for_update()
        .filter(pk__in={actor.pk, user_id})
        .order_by("pk")
    }
    actor = locked[actor.pk]
    require_manager(actor)
    user = locked.get(user_id)
    if user is None:
        raise NotFound(_("There is no such user."), user_id=user_id)
    require_may_manage(actor, Role(user.role))
    return actor, user

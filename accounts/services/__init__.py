"""Everything that changes a user. Actor first; the rules are enforced here and nowhere else."""

from .changing import update_me, update_user
from .creating import MachineClient, bootstrap_admin, create_machine_client, create_user, register
from .managing import OwnAccount, may_manage_user, require_may_manage_user
from .passwords import WrongPassword, change_password, set_password
from .second_factors import remove_second_factors, rescue
from .sessions import AccountInactive, end_sessions, remember_session
from .writing import Changes

__all__ = [
    "AccountInactive",
    "Changes",
    "MachineClient",
    "OwnAccount",
    "WrongPassword",
    "bootstrap_admin",
    "change_password",
    "create_machine_client",
    "create_user",
    "end_sessions",
    "may_manage_user",
    "register",
    "remember_session",
    "remove_second_factors",
    "require_may_manage_user",
    "rescue",
    "set_password",
    "update_me",
    "update_user",
]

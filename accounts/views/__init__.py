"""The pages of accounts: one's own (account.py) and those of the people one manages (users.py)."""

from .account import (
    BearerMiddleware,
    LanguageMiddleware,
    LoginRequiredMiddleware,
    csrf_failure,
    machine_token,
    profile,
    set_language,
    sign_up,
    sign_up_done,
    signed_in,
)
from .users import (
    user_activity,
    user_detail,
    user_list,
    user_new,
    user_password,
    user_reset,
    user_second_step,
)

__all__ = [
    "BearerMiddleware",
    "LanguageMiddleware",
    "LoginRequiredMiddleware",
    "csrf_failure",
    "machine_token",
    "profile",
    "set_language",
    "sign_up",
    "sign_up_done",
    "signed_in",
    "user_activity",
    "user_detail",
    "user_list",
    "user_new",
    "user_password",
    "user_reset",
    "user_second_step",
]

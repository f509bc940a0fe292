"""Everything that changes a user. Actor first; the rules are enforced here and nowhere else."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from allauth.account.models import EmailAddress
from allauth.idp.oidc.models import Client, Token
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.text import slugify
from django.utils.translation import gettext as _

from erp_site.core import clock
from erp_site.core.errors import Denied, Duplicate, FieldError, Invalid, NotFound
from erp_site.core.transactions import retrying_atomic
from erp_site.core.validation import field_errors, refuse

from .models import Language, User, UserWord
from .roles import MACHINE_SCOPE, Permission, Role, may_manage
from .signals import user_changed, user_created

#: What changed, by field: [before, after]; of a password and of second factors only that they did.
type Changes = dict[str, Any]

SWEPT_AT_ONCE = 100


class OwnAccount(Denied):
    """Nobody changes their own role, deactivates themselves, or resets their own password or second step."""

    code = "own_account"


class AccountInactive(Denied):
    """Deactivated while they were signing in."""

    code = "account_inactive"
    status = 401  # as for every sign-in that is refused


class WrongPassword(Invalid):
    """The current password given is not the present one."""


@retrying_atomic
def register(
    *, email: str, name: str, password: str, active: bool, language: str | None = None
) -> User:
    """A person makes their own account: a viewer, `active` at once or waiting for a manager.

    Raises:
        Duplicate: the address has an account.
        Invalid: the address or the password will not do.
    """
    return _create(
        actor=None,
        email=email,
        name=name,
        role=Role.VIEWER,
        password=password,
        is_active=active,
        language=language or Language.PORTUGUESE,
        verified=False,
        by_oneself=True,
    )


@retrying_atomic
def create_user(
    *,
    actor: User,
    email: str,
    name: str,
    role: str = Role.VIEWER,
    password: str | None = None,
) -> User:
    """Make an account for somebody. Without a password they set one by "forgot password".

    Raises:
        Denied: the actor may not manage users, or not grant `role`.
        Duplicate, Invalid: as `register`.
    """
    _require_manager(actor)
    _require_may_manage(actor, Role(role))
    return _create(
        actor=actor,
        email=email,
        name=name,
        role=Role(role),
        password=password,
        is_active=True,
        language=actor.language,
        verified=True,
    )


@retrying_atomic
def update_user(
    *,
    actor: User,
    user_id: int,
    name: str | None = None,
    role: str | None = None,
    is_active: bool | None = None,
    password: str | None = None,
) -> User:
    """Change somebody's account; None leaves a field as it is.

    The last active admin cannot be lost: only an active admin may demote or deactivate an admin, nobody
    may do it to themselves, and both rows are locked, so at least the actor remains.

    Raises:
        Denied: not allowed to manage this user or to grant this role.
        OwnAccount: one's own role, activity or password.
        NotFound, Invalid.
    """
    actor, user = _locked(actor, user_id)
    if role is not None:
        _require_may_manage(actor, Role(role))
    changes = _changed(user, name=name, role=role, is_active=is_active)
    if password is not None:
        _set_password(user, password, changes, pointer="/password")
    if user == actor and changes.keys() & {"role", "is_active", "password"}:
        raise OwnAccount(
            _(
                "Your own role and activity are changed by somebody else; your password on your own page."
            )
        )
    _save(user, actor, changes)
    return user


@retrying_atomic
def remove_second_factors(*, actor: User, user_id: int) -> User:
    """Take away somebody's authenticator app, passkeys and recovery codes, who has lost them: the password signs in.

    Every session and token of theirs ends: what is lost may have been found. Nothing happens where there is none.

    Raises:
        Denied: not allowed to manage this user.
        OwnAccount: one's own are on one's own page, behind the password.
        NotFound
    """
    actor, user = _locked(actor, user_id)
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
        _save(user, actor, {"second_factors": None})


def _locked(actor: User, user_id: int) -> tuple[User, User]:
    """Both rows, locked and read again: whoever acts, and on whom they may."""
    _require_manager(actor)
    # Without the lock on the actor two admins demote each other at the same moment, and none is left.
    # In the order of the primary key, so that they queue instead of deadlocking.
    locked = {
        user.pk: user
        for user in User.objects.select_for_update()
        .filter(pk__in={actor.pk, user_id})
        .order_by("pk")
    }
    actor = locked[actor.pk]
    _require_manager(actor)
    user = locked.get(user_id)
    if user is None:
        raise NotFound(_("There is no such user."), user_id=user_id)
    _require_may_manage(actor, Role(user.role))
    return actor, user


@retrying_atomic
def update_me(*, actor: User, name: str | None = None, language: str | None = None) -> User:
    """Change one's own name or language; None leaves a field as it is."""
    user = User.objects.select_for_update().get(pk=actor.pk)
    _save(user, user, _changed(user, name=name, language=language))
    return user


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
    _set_password(locked, password, changes, pointer=pointer)
    _save(locked, locked, changes)
    user.password = locked.password


@retrying_atomic
def bootstrap_admin(*, email: str, password: str) -> User | None:
    """The first administrator, if there is no active one yet. Safe to repeat, also from several servers at once.

    An existing account with this address is left alone, whatever its role: nobody is promoted by a variable.
    """
    if User.objects.filter(role=Role.ADMIN, is_active=True).exists():
        return None
    email = User.objects.normalize_email(email)
    if User.objects.filter(email=email).exists():
        return None
    try:
        return _create(
            actor=None,
            email=email,
            name=email.partition("@")[0],
            role=Role.ADMIN,
            password=password,
            is_active=True,
            language=Language.PORTUGUESE,
            verified=True,
        )
    except Duplicate:  # another server was faster
        return None


@dataclass(frozen=True, slots=True)
class MachineClient:
    """A program that may ask for tokens. The secret is stored hashed: this is the only time it is seen."""

    client_id: str
    secret: str
    user: User


@retrying_atomic
def create_machine_client(*, name: str, role: str) -> MachineClient:
    """A client for OAuth client credentials, and the service user of `role` that it acts as.

    The user has no password and an address that gets no mail (RFC 2606); deactivating it stops the client.

    Raises:
        Duplicate: there is a client of this name.
    """
    user = _create(
        actor=None,
        email=f"{slugify(name)}@machine.invalid",
        name=name,
        role=Role(role),
        password=None,
        is_active=True,
        language=Language.ENGLISH,
        verified=False,
    )
    secret = secrets.token_urlsafe(32)
    client = Client(
        name=name[:100],
        owner=user,
        grant_types=Client.GrantType.CLIENT_CREDENTIALS,
        scopes=MACHINE_SCOPE,
        default_scopes=MACHINE_SCOPE,
        response_types="",
    )
    client.set_secret(secret)
    client.save(force_insert=True)
    return MachineClient(client.id, secret, user)


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


def may_manage_user(actor: User, user: User) -> bool:
    """May `actor` change this account? Some things of one's own are refused all the same: see OwnAccount."""
    return may_manage(Role(actor.role), Role(user.role))


def require_may_manage_user(actor: User, user: User) -> None:
    """Raises Denied unless `actor` may change this account."""
    _require_manager(actor)
    _require_may_manage(actor, Role(user.role))


def _require_manager(actor: User) -> None:
    if not actor.has_perm(Permission.MANAGE_USERS):
        raise Denied(_("Your role may not manage users."), permission=Permission.MANAGE_USERS)


def _require_may_manage(actor: User, subject: Role) -> None:
    if not may_manage(Role(actor.role), subject):
        raise Denied(_("Only an administrator may do this to an administrator."), role=subject)


def _create(
    *,
    actor: User | None,
    email: str,
    name: str,
    role: Role,
    password: str | None,
    is_active: bool,
    language: str,
    verified: bool,
    by_oneself: bool = False,
) -> User:
    user = User(
        email=User.objects.normalize_email(email),
        name=name.strip(),
        role=role,
        is_active=is_active,
        language=language,
    )
    _check_fields(user, {"email", "name"})
    if password is None:
        user.set_unusable_password()
    else:
        _check_password(user, password, pointer="/password")
        user.set_password(password)
    user.next_sequence()
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:
        raise Duplicate(_("This e-mail address already has an account."), field="email") from None
    UserWord.index(user.pk, user.name, user.email, is_new=True)
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=verified)
    user_created.send(sender=User, user=user, actor=user if by_oneself else actor)
    return user


def _check_fields(user: User, fields: Collection[str]) -> None:
    errors = field_errors(user, fields)
    # Databases disagree on which accented letters are the same address.
    if "email" in fields and not errors and not user.email.isascii():
        detail = _("An e-mail address has plain letters only, without accents.")
        errors = [FieldError(pointer="/email", code="invalid", detail=detail)]
    refuse(errors)


def _check_password(user: User, password: str, *, pointer: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid(
            " ".join(error.messages),
            errors=[
                FieldError(
                    pointer=pointer,
                    code=problem.code or "invalid_password",
                    detail=" ".join(problem.messages),
                )
                for problem in error.error_list
            ],
        ) from None


def _changed(user: User, **wanted: Any) -> Changes:
    """Set the fields that are given and differ; say what changed."""
    changes: Changes = {}
    for field, value in wanted.items():
        before = getattr(user, field)
        if value is not None and value != before:
            setattr(user, field, value)
            changes[field] = [before, value]
    return changes


def _set_password(user: User, password: str, changes: Changes, *, pointer: str) -> None:
    _check_password(user, password, pointer=pointer)
    user.set_password(password)
    changes["password"] = None


def _save(user: User, actor: User | None, changes: Changes) -> None:
    """Write the changed fields, record them, and end what the user may no longer use."""
    if not changes:
        return
    _check_fields(user, changes.keys() & {"name"})
    user_changed.send(sender=User, user=user, actor=actor, changes=changes)
    user.save(update_fields=[*(changes.keys() - {"second_factors"}), "event_seq"])
    if "name" in changes:
        UserWord.index(user.pk, user.name, user.email)
    if changes.keys() & {"password", "second_factors"} or not user.is_active:
        end_sessions(user=user)

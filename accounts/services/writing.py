"""A user's row as it is written: its fields are checked, what changed is told, and what that ends is ended."""

from collections.abc import Collection
from decimal import Decimal
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import User, UserWord
from accounts.roles import Role
from accounts.signals import user_changed, user_created
from erp_site.core.errors import Duplicate, FieldError, Invalid
from erp_site.core.validation import discount_errors, field_errors, refuse

from .sessions import end_sessions

#: What changed, by field: [before, after]; of a password and of second factors only that they did.
type Changes = dict[str, Any]


def create(
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
    discount_limit: Decimal | None = None,
) -> User:
    """Write a new user; without a password nobody signs in as them until they set one.

    Raises:
        Duplicate: the address has an account.
        Invalid: the address, the name, the password or the discount limit will not do.
    """
    user = User(
        email=User.objects.normalize_email(email),
        name=name.strip(),
        role=role,
        is_active=is_active,
        language=language,
        discount_limit=discount_limit or Decimal(0),
    )
    _check_fields(user, {"email", "name", "discount_limit"})
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


def changed(user: User, **wanted: Any) -> Changes:
    """Set the fields that are given and differ; say what changed."""
    changes: Changes = {}
    for field, value in wanted.items():
        before = getattr(user, field)
        if value is not None and value != before:
            setattr(user, field, value)
            changes[field] = [before, value]
    return changes


def put_password(user: User, password: str, changes: Changes, *, pointer: str) -> None:
    """Set a password, which `save` writes; Invalid, under `pointer`, if it is too weak."""
    _check_password(user, password, pointer=pointer)
    user.set_password(password)
    changes["password"] = None


def save(user: User, actor: User | None, changes: Changes) -> None:
    """Write the changed fields, record them, and end what the user may no longer use."""
    if not changes:
        return
    _check_fields(user, changes.keys() & {"name", "discount_limit"})
    user_changed.send(sender=User, user=user, actor=actor, changes=changes)
    user.save(update_fields=[*(changes.keys() - {"second_factors"}), "event_seq"])
    if "name" in changes:
        UserWord.index(user.pk, user.name, user.email)
    if changes.keys() & {"password", "second_factors"} or not user.is_active:
        end_sessions(user=user)


def _check_fields(user: User, fields: Collection[str]) -> None:
    errors = field_errors(user, set(fields) - {"discount_limit"})
    # Databases disagree on which accented letters are the same address.
    if "email" in fields and not errors and not user.email.isascii():
        detail = _("An e-mail address has plain letters only, without accents.")
        errors = [FieldError(pointer="/email", code="invalid", detail=detail)]
    if "discount_limit" in fields:
        errors += discount_errors(user, "discount_limit")
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

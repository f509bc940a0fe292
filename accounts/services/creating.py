"""Making an account: one's own, somebody's, the first administrator's, a program's."""

import secrets
from dataclasses import dataclass
from decimal import Decimal

from allauth.idp.oidc.models import Client
from django.utils.text import slugify

from accounts.models import Language, User
from accounts.roles import MACHINE_SCOPE, Role
from erp_site.core.errors import Duplicate
from erp_site.core.transactions import retrying_atomic

from .managing import require_manager, require_may_manage
from .writing import create


@retrying_atomic
def register(
    *, email: str, name: str, password: str, active: bool, language: str | None = None
) -> User:
    """A person makes their own account: a viewer, `active` at once or waiting for a manager.

    Raises:
        Duplicate: the address has an account.
        Invalid: the address or the password will not do.
    """
    return create(
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
    discount_limit: Decimal | None = None,
) -> User:
    """Make an account for somebody. Without a password they set one by "forgot password".

    Args:
        discount_limit: how much off the customer's price they may agree upon by themselves, in percent, from 0 to
            99.99; None is 0.

    Raises:
        Denied: the actor may not manage users, or not grant `role`.
        Duplicate, Invalid: as `register`.
    """
    require_manager(actor)
    require_may_manage(actor, Role(role))
    return create(
        actor=actor,
        email=email,
        name=name,
        role=Role(role),
        password=password,
        is_active=True,
        language=actor.language,
        verified=True,
        discount_limit=discount_limit,
    )


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
        return create(
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
    user = create(
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

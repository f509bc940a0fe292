"""The pages of the people who sign in: the list, one person, a new one. Who may manage whom is the services' rule."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import queries, services
from accounts.auth import SignedIn, require
from accounts.filters import UserFilter
from accounts.forms import NewUserForm, PasswordForm, UserForm, mail_password_link
from accounts.models import User
from accounts.roles import PERMISSION_LABELS, ROLE_PERMISSIONS, Permission, Role
from erp_site.core import mail
from erp_site.core.errors import Denied, DomainError, Duplicate, Invalid
from erp_site.core.htmx import is_partial
from erp_site.core.listing import listing


@require_safe
@require(Permission.VIEW_USERS)
def user_list(request: SignedIn) -> HttpResponse:
    """Everybody, filtered by the address; htmx asks for the results alone."""
    context: dict[str, Any] = {
        "listing": listing(
            request, UserFilter, queries.users(), sorts=queries.SORTS, default="name"
        ),
        "roles": Role.choices,
    }
    if is_partial(request):
        return render(request, "accounts/user_list.html#results", context)
    present = {name: request.GET.get(name, "") for name in ("is_active", "waiting")}
    context |= {
        "waiting": queries.waiting_users().count(),
        "tab": next((f"{name}={value}" for name, value in present.items() if value), ""),
        "role_table": role_table(),
        "all_roles": list(Role),
    }
    return render(request, "accounts/user_list.html", context)


def role_table() -> list[dict[str, Any]]:
    """Each permission with whether each role has it: the policy itself, not a copy."""
    return [
        {"label": label, "roles": [permission in ROLE_PERMISSIONS[role] for role in Role]}
        for permission, label in PERMISSION_LABELS.items()
    ]


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.MANAGE_USERS)
def user_new(request: SignedIn) -> HttpResponse:
    """An account for somebody: with a password, or with a mail that lets them set one."""
    form = NewUserForm(request.POST or None, actor=request.user)
    if request.method == "POST" and form.is_valid():
        typed = form.cleaned_data
        try:
            user = services.create_user(
                actor=request.user,
                email=typed["email"],
                name=typed["name"],
                role=typed["role"],
                password=typed["password"] or None,
                discount_limit=typed["discount_limit"],
            )
        except (Duplicate, Invalid) as refusal:
            form.add_refusal(refusal)
        else:
            _welcome(request, user, by_mail=not typed["password"])
            return redirect("users:detail", user.pk)
    status = 422 if form.errors else 200
    return render(request, "accounts/user_new.html", {"form": form}, status=status)


def _welcome(request: SignedIn, user: User, *, by_mail: bool) -> None:
    """Say how the new account gets its owner in. It is there whether or not the mail server is."""
    add, message = messages.success, _("%(name)s can sign in.")
    if by_mail and _is_link_sent(request, user):
        message = _("%(name)s gets a mail with a link to set a password.")
    elif by_mail:
        add = messages.warning
        message = _(
            "The account of %(name)s was made, but the mail with the link could not be sent. Send it again with "
            "“Mail a password link”, or set a password."
        )
    add(request, message % {"name": user.name})


def _is_link_sent(request: SignedIn, user: User) -> bool:
    return mail.sent(lambda: mail_password_link(request, user.email))


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.VIEW_USERS)
def user_detail(request: SignedIn, user_id: int) -> HttpResponse:
    """One person: name, role and discount limit are changed here, as far as the reader may."""
    if request.method != "POST":
        return _show(request, queries.get_user(user_id))
    person = queries.get_user(user_id)
    form = UserForm(request.POST, actor=request.user, person=person)
    if not form.is_valid():
        return _show(request, person, status=422, form=form)
    try:
        typed = {name: form.cleaned_data[name] for name in form.changed_data}
        services.update_user(actor=request.user, user_id=user_id, **typed)
    except Invalid as refusal:
        form.add_refusal(refusal)
        return _show(request, person, status=422, form=form)
    messages.success(request, _("The changes are saved."))
    return redirect("users:detail", user_id)


def _show(
    request: SignedIn, person: User, *, status: int = 200, problem: str = "", **forms: Any
) -> HttpResponse:
    is_self = person.pk == request.user.pk
    context = {
        "person": person,
        "is_self": is_self,
        "is_waiting": queries.waiting_users().filter(pk=person.pk).exists(),
        "may_manage": services.may_manage_user(request.user, person),
        "form": UserForm(actor=request.user, person=person),
        "password_form": PasswordForm(),
        "has_second_factor": queries.has_second_factor(person),
        "problem": problem,
        "history": queries.events_of(person.pk)[:20]
        if request.user.has_perm(Permission.VIEW_EVENTS)
        else None,
        **forms,
    }
    return render(request, "accounts/user_detail.html", context, status=status)


@require_POST
@require(Permission.MANAGE_USERS)
def user_activity(request: SignedIn, user_id: int) -> HttpResponse:
    """Let somebody in, or keep them out from their next request on."""
    wanted = request.POST.get("is_active")
    if wanted not in {"true", "false"}:
        return HttpResponseBadRequest()
    try:
        person = services.update_user(
            actor=request.user, user_id=user_id, is_active=wanted == "true"
        )
    except Denied as refusal:
        return _refused(request, user_id, refusal)
    message = _("%(name)s can sign in.") if person.is_active else _("%(name)s is signed out.")
    messages.success(request, message % {"name": person.name})
    return redirect("users:detail", user_id)


def _refused(request: SignedIn, user_id: int, refusal: DomainError) -> HttpResponse:
    person = queries.get_user(user_id)
    return _show(request, person, status=refusal.status, problem=refusal.message)


@require_POST
@require(Permission.MANAGE_USERS)
def user_reset(request: SignedIn, user_id: int) -> HttpResponse:
    """Mail somebody a link that sets a new password; the old one holds until then."""
    person = queries.get_user(user_id)
    try:
        services.require_may_manage_user(request.user, person)
    except Denied as refusal:
        return _refused(request, user_id, refusal)
    if _is_link_sent(request, person):
        messages.success(request, _("A link is on its way to %(email)s.") % {"email": person.email})
    else:
        message = _(
            "The mail to %(email)s could not be sent. Try again in a while, or set a password."
        )
        messages.warning(request, message % {"email": person.email})
    return redirect("users:detail", user_id)


@require_POST
@require(Permission.MANAGE_USERS)
def user_second_step(request: SignedIn, user_id: int) -> HttpResponse:
    """Let somebody who lost their phone in by password alone; it signs them out everywhere."""
    try:
        person = services.remove_second_factors(actor=request.user, user_id=user_id)
    except Denied as refusal:
        return _refused(request, user_id, refusal)
    message = _("%(name)s signs in with the password alone, and is signed out.")
    messages.success(request, message % {"name": person.name})
    return redirect("users:detail", user_id)


@sensitive_post_parameters("password")
@require_POST
@require(Permission.MANAGE_USERS)
def user_password(request: SignedIn, user_id: int) -> HttpResponse:
    """Give somebody a password; it signs them out everywhere."""
    person = queries.get_user(user_id)
    form = PasswordForm(request.POST)
    if not form.is_valid():
        return _show(request, person, status=422, password_form=form)
    try:
        services.update_user(
            actor=request.user, user_id=user_id, password=form.cleaned_data["password"]
        )
    except Invalid as refusal:
        form.add_refusal(refusal)
        return _show(request, person, status=422, password_form=form)
    except Denied as refusal:
        return _refused(request, user_id, refusal)
    messages.success(
        request, _("%(name)s has a new password and is signed out.") % {"name": person.name}
    )
    return redirect("users:detail", user_id)

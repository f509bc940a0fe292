"""The pages of webhooks: which other systems are told, of what, and whether they take it."""

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.auth import SignedIn, require
from accounts.roles import Permission
from erp_site.activity import AGGREGATES, KINDS, entries
from erp_site.core import webhooks
from erp_site.core.errors import Conflict, Invalid
from erp_site.core.events import EventType, types_of
from erp_site.core.fields import LineField, ShowsRefusals
from erp_site.core.htmx import is_partial
from erp_site.core.models import Delivery, Webhook

DELIVERIES: Final = 30
State = Delivery.State
GROUPS: Final = [
    (label, [(kind, KINDS[kind].label) for kind in types_of(aggregate)])
    for aggregate, label in AGGREGATES.items()
]


class WebhookForm(ShowsRefusals):
    """Shape only: what an address must be is the service's to say."""

    url = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=500,
        help_text=gettext_lazy(
            "Where events are posted to, such as https://erp.example.com/events."
        ),
        widget=forms.URLInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    description = LineField(label=gettext_lazy("Description"), max_length=255, required=False)
    types = forms.MultipleChoiceField(
        label=gettext_lazy("Which events"),
        choices=GROUPS,
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
    )


@require_safe
@require(Permission.MANAGE_WEBHOOKS)
def webhook_list(request: SignedIn) -> HttpResponse:
    """All of them, and how each fares."""
    found = list(webhooks.webhooks())
    waiting, dead = (webhooks.counts_of(found, state) for state in (State.OPEN, State.DEAD))
    rows = [(each, waiting[each.pk], dead[each.pk]) for each in found]
    return render(
        request, "webhooks/webhook_list.html", {"rows": rows, "most": webhooks.MOST_WEBHOOKS}
    )


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.MANAGE_WEBHOOKS)
def webhook_new(request: SignedIn) -> HttpResponse:
    """Add one."""
    form = WebhookForm(request.POST or None)
    problem, status = "", 200
    if request.method == "POST" and form.is_valid():
        try:
            webhook = webhooks.create_webhook(actor=request.user, **form.cleaned_data)
        except Invalid as refusal:
            form.add_refusal(refusal)
        except Conflict as refusal:
            problem, status = refusal.message, refusal.status
        else:
            messages.success(request, _("%(host)s is told from now on.") % {"host": webhook.host})
            return redirect("webhooks:detail", webhook.pk)
    return _show_form(request, form, problem=problem, status=422 if form.errors else status)


@require_http_methods(["GET", "HEAD", "POST"])
@require(Permission.MANAGE_WEBHOOKS)
def webhook_edit(request: SignedIn, webhook_id: int) -> HttpResponse:
    """Change where it is and what it gets."""
    webhook = webhooks.get_webhook(webhook_id)
    present = {name: getattr(webhook, name) for name in WebhookForm.base_fields}
    form = WebhookForm(request.POST or None, initial=present)
    if request.method == "POST" and form.is_valid():
        try:
            webhooks.update_webhook(actor=request.user, webhook_id=webhook_id, **form.cleaned_data)
        except Invalid as refusal:
            form.add_refusal(refusal)
        else:
            messages.success(request, _("The changes are saved."))
            return redirect("webhooks:detail", webhook_id)
    return _show_form(request, form, webhook=webhook, status=422 if form.errors else 200)


def _show_form(
    request: SignedIn, form: WebhookForm, *, status: int, **context: Any
) -> HttpResponse:
    chosen = set(form["types"].value() or ())
    groups = [
        (label, [(kind, words, kind in chosen) for kind, words in kinds]) for label, kinds in GROUPS
    ]
    context |= {"form": form, "groups": groups}
    return render(request, "webhooks/webhook_form.html", context, status=status)


@never_cache
@require_safe
@require(Permission.MANAGE_WEBHOOKS)
def webhook_detail(request: SignedIn, webhook_id: int) -> HttpResponse:
    """One of them, with the latest events on their way to it."""
    return _show(request, webhooks.get_webhook(webhook_id))


def _show(
    request: SignedIn, webhook: Webhook, *, status: int = 200, **context: Any
) -> HttpResponse:
    deliveries = webhooks.deliveries_of(webhook, DELIVERIES)
    told = entries(delivery.event for delivery in deliveries)
    context |= {
        "webhook": webhook,
        "rows": list(zip(deliveries, told, strict=True)),
        "is_under_way": any(delivery.state == State.OPEN for delivery in deliveries),
        "waiting": webhooks.counts_of([webhook], State.OPEN)[webhook.pk],
        "dead": webhooks.counts_of([webhook], State.DEAD)[webhook.pk],
        "kinds": [KINDS[EventType(kind)].label for kind in webhook.types],
    }
    if not is_partial(request):
        return render(request, "webhooks/webhook_detail.html", context, status=status)
    context["is_partial"] = True
    response = render(request, "webhooks/webhook_detail.html#deliveries", context, status=status)
    if not webhook.is_active:  # given up since the page was shown, which offers other things now
        response["HX-Refresh"] = "true"
    return response


@never_cache
@require_POST
@require(Permission.MANAGE_WEBHOOKS)
def webhook_secret(request: SignedIn, webhook_id: int) -> HttpResponse:
    """The page with the secret on it: asked for by POST, so that no history or cache keeps it."""
    return _show(request, webhooks.get_webhook(webhook_id), shows_secret=True)


@require_POST
@require(Permission.MANAGE_WEBHOOKS)
def webhook_rotate(request: SignedIn, webhook_id: int) -> HttpResponse:
    """Another secret; for a day messages are signed with both."""
    webhooks.rotate_secret(actor=request.user, webhook_id=webhook_id)
    messages.success(
        request, _("The secret is changed. For 24 hours messages carry both signatures.")
    )
    return redirect("webhooks:detail", webhook_id)


@require_POST
@require(Permission.MANAGE_WEBHOOKS)
def webhook_activity(request: SignedIn, webhook_id: int) -> HttpResponse:
    """Pause it, or let it go on."""
    wanted = request.POST.get("is_active")
    if wanted not in {"true", "false"}:
        return HttpResponseBadRequest()
    webhook = webhooks.update_webhook(
        actor=request.user, webhook_id=webhook_id, is_active=wanted == "true"
    )
    message = _("%(host)s is told again.") if webhook.is_active else _("%(host)s is paused.")
    messages.success(request, message % {"host": webhook.host})
    return redirect("webhooks:detail", webhook_id)


@require_POST
@require(Permission.MANAGE_WEBHOOKS)
def webhook_test(request: SignedIn, webhook_id: int) -> HttpResponse:
    """Send it an event that is a test and nothing else."""
    try:
        webhooks.send_test(actor=request.user, webhook_id=webhook_id)
    except Conflict as refusal:
        webhook = webhooks.get_webhook(webhook_id)
        return _show(request, webhook, status=refusal.status, problem=refusal.message)
    messages.success(request, _("A test is on its way."))
    return redirect("webhooks:detail", webhook_id)


@require_POST
@require(Permission.MANAGE_WEBHOOKS)
def webhook_retry(request: SignedIn, webhook_id: int) -> HttpResponse:
    """Send it once more what it refused too often."""
    webhooks.retry_dead_letters(actor=request.user, webhook_id=webhook_id)
    messages.success(request, _("What was refused is sent once more."))
    return redirect("webhooks:detail", webhook_id)


@require_POST
@require(Permission.MANAGE_WEBHOOKS)
def webhook_set_aside(request: SignedIn, webhook_id: int) -> HttpResponse:
    """Go on without the message that it is stuck at."""
    webhooks.set_aside(actor=request.user, webhook_id=webhook_id)
    messages.success(request, _("It is set aside, and the next ones are tried."))
    return redirect("webhooks:detail", webhook_id)


@require_POST
@require(Permission.MANAGE_WEBHOOKS)
def webhook_delete(request: SignedIn, webhook_id: int) -> HttpResponse:
    """Tell it nothing more."""
    host = webhooks.get_webhook(webhook_id).host
    webhooks.delete_webhook(actor=request.user, webhook_id=webhook_id)
    messages.success(request, _("%(host)s is told nothing more.") % {"host": host})
    return redirect("webhooks:list")

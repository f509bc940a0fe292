"""What templates ask for: an icon, the menu, a form field in our dress."""

import functools
import re
from collections.abc import Callable
from typing import Any, Final

from django import template
from django.conf import settings
from django.contrib.auth.context_processors import PermWrapper
from django.forms import BoundField, CheckboxInput, PasswordInput, RadioSelect, Select
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from accounts.menu import menu_for
from erp_site.core.periods import COMING, PAST, periods

register = template.Library()

#: What a browser's name for itself contains, most telling first: nearly all claim to be Safari.
BROWSERS: Final = {
    "Edg": "Edge",
    "OPR": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "Chrome": "Chrome",
    "CriOS": "Chrome",
    "Safari": "Safari",
}
SYSTEMS: Final = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


@register.simple_tag
@functools.cache
def icon(name: str) -> SafeString:
    """A Tabler icon out of the sprite, as decoration: the words beside it, or an aria-label, say what it means."""
    sprite = static("vendor/icons.svg")
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        sprite,
        name,
    )


#: What stands around every page is the same for all people of a role, in their language, on the same page. Making it
#: anew for each request was a quarter of what a page cost.
_frame: Final[dict[tuple[str, ...], SafeString]] = {}


def _once(name: str, make: Callable[[], dict[str, Any]], *key: str) -> SafeString:
    """The template rendered with what `make` answers, which depends on the language and on `key` alone."""
    whole_key = name, get_language() or "", *key
    if whole_key not in _frame or settings.DEBUG:
        _frame[whole_key] = render_to_string(name, make())
    return _frame[whole_key]


def _role(user: object) -> str:
    return getattr(user, "role", "")


@register.simple_tag(takes_context=True)
def frame(context: template.Context, name: str) -> SafeString:
    """A piece of the frame around all pages, made once for each role and language.

    It sees `role` (empty for a visitor) and its `perms` alone, so that nothing of a person or a request can stay in it.
    """
    user = context.get("user")
    role = _role(user)
    return _once(name, lambda: {"role": role, "perms": PermWrapper(user) if role else {}}, role)


@register.simple_tag(takes_context=True)
def menu(context: template.Context) -> SafeString:
    """The groups of the menu that the signed-in user sees, the present page marked."""
    request: HttpRequest = context["request"]
    here = request.resolver_match.view_name if request.resolver_match else ""
    return _once(
        "components/_menu.html",
        lambda: {"groups": menu_for(request.user, here=here)},
        _role(request.user),
        here,
    )


@register.filter
def initials(name: str) -> str:
    """The first letters of the first and the last word: "Ana Lúcia Prado" is AP."""
    words = name.split()
    return "".join(word[0] for word in ([words[0], words[-1]] if len(words) > 1 else words)).upper()


@register.simple_tag
def control(field: BoundField) -> SafeString:
    """The widget of a form field with our classes; a label stands above it, so it needs no placeholder."""
    widget = field.field.widget
    attrs: dict[str, Any] = {"placeholder": False}
    if isinstance(widget, CheckboxInput):
        attrs["class"] = "form-check-input"
    elif isinstance(widget, Select):
        attrs["class"] = "form-select"
    elif not isinstance(widget, RadioSelect):
        attrs["class"] = "form-control"
    shown = field.as_widget(attrs=attrs)
    if field.field.show_hidden_initial:
        shown += field.as_hidden(only_initial=True)
    return shown


@register.filter
def kind(field: BoundField) -> str:
    """How the field is laid out: "checkbox", "password" or "plain"."""
    if isinstance(field.field.widget, CheckboxInput):
        return "checkbox"
    return "password" if isinstance(field.field.widget, PasswordInput) else "plain"


@register.filter
def ticks(text: str) -> SafeString:
    """Words between backticks as code, as in our own prose; everything is escaped first."""
    return mark_safe(re.sub(r"`([^`]+)`", r"<code>\1</code>", conditional_escape(text)))  # noqa: S308


@register.simple_tag
def registration_open() -> bool:
    """May visitors make accounts, at once or with a manager's approval?"""
    return settings.REGISTRATION != "closed"


@register.filter
def device(user_agent: str) -> str:
    """ "Firefox · Windows" of a browser's User-Agent header; of a program its own short name."""
    found = [
        next((name for mark, name in names.items() if mark in user_agent), "")
        for names in (BROWSERS, SYSTEMS)
    ]
    return " · ".join(filter(None, found)) or user_agent.partition(" ")[0] or "?"


@register.simple_tag
def period_choices(first: BoundField, last: BoundField, when: str) -> list[dict[str, Any]]:
    """The named spans for a filter's two fields: what each puts into the address; pressed again, it is off."""
    choices = []
    for period in periods({"past": PAST, "coming": COMING}[when]):
        days = [period.first.isoformat(), period.last.isoformat()]
        is_on = [first.value(), last.value()] == days
        names = (first.html_name, last.html_name)
        query = dict.fromkeys(names) if is_on else dict(zip(names, days, strict=True))
        choices.append(
            {
                "label": period.label,
                "first": days[0],
                "last": days[1],
                "is_on": is_on,
                "query": {**query, "page": None},
            }
        )
    return choices

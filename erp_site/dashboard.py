"""The first page of those who work here: what needs them now, how sales go, what happened last."""

from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django.views.decorators.http import require_safe

from accounts.auth import SignedIn, require
from accounts.queries import waiting_users
from accounts.roles import Permission
from catalog.queries import count_low_stock
from erp_site.core.counting import COUNT_CAP, figures
from erp_site.core.events import EventType
from orders.queries import desk_counts, latest_changes

from .activity import entries, events, open_notices
from .home import home as public_page
from .sales import Day, list_of, sales

DAYS: Final = 30
LATEST: Final = 8
NOTICES_SHOWN: Final = 5
#: What is told by the event that it follows from: here one row is enough for what somebody did once.
CONSEQUENCES: Final = (
    EventType.STOCK_RESERVED,
    EventType.STOCK_RELEASED,
    EventType.ORDER_CANCELLED,
)


@dataclass(frozen=True)
class Task:
    """Something that may need somebody: who may see it, and who can do something about it."""

    name: str
    label: str | Promise
    view: str
    query: str
    icon: str
    visible: Permission
    acts: Permission
    is_hot: bool = False


TASKS: Final = (
    Task(
        "late", pgettext_lazy("orders", "Late"), "orders:list", "late=true", icon="clock-exclamation",
        visible=Permission.VIEW_ORDERS, acts=Permission.ADVANCE_ORDER, is_hot=True,
    ),
    Task(
        "pending", _("To confirm"), "orders:list", "status=pending", icon="circle-dot",
        visible=Permission.VIEW_ORDERS, acts=Permission.ADVANCE_ORDER,
    ),
    Task(
        "to_pick", _("To pick"), "orders:list", "status=confirmed", icon="package",
        visible=Permission.VIEW_ORDERS, acts=Permission.ADVANCE_ORDER,
    ),
    Task(
        "to_ship", _("To ship"), "orders:list", "status=picked", icon="truck-delivery",
        visible=Permission.VIEW_ORDERS, acts=Permission.ADVANCE_ORDER,
    ),
    Task(
        "low_stock", _("Running low"), "catalog:list", "low_stock=true", icon="alert-triangle",
        visible=Permission.VIEW_PRODUCTS, acts=Permission.ADJUST_STOCK, is_hot=True,
    ),
    Task(
        "waiting", _("Accounts to approve"), "users:list", "waiting=true", icon="user-check",
        visible=Permission.VIEW_USERS, acts=Permission.MANAGE_USERS,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tile:
    """A task with its number, as one person sees it."""

    task: Task
    count: int
    is_mine: bool

    @property
    def url(self) -> str:
        return f"{reverse(self.task.view)}?{self.task.query}"

    @property
    def is_capped(self) -> bool:
        return self.count >= COUNT_CAP


def tiles(request: SignedIn) -> list[Tile]:
    """What this person may see, what they can act on first."""
    may = request.user.has_perm
    shown = [task for task in TASKS if may(task.visible)]
    counts = {name: min(count, COUNT_CAP) for name, count in desk_counts().items()}
    if may(Permission.VIEW_PRODUCTS):
        counts["low_stock"] = count_low_stock()
    if may(Permission.VIEW_USERS):
        counts["waiting"] = figures(waiting_users()).count
    found = [Tile(task, counts[task.name], may(task.acts)) for task in shown]
    return sorted(found, key=lambda tile: not tile.is_mine)


#: A chart is drawn in these units; the browser scales it.
SLOT: Final = 20
BAR: Final = 14
HEIGHT: Final = 120


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of a chart, in whole units from the upper left corner."""

    day: Day
    slot: int
    x: int
    y: int
    height: int
    is_today: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure by day: what it was today, what it came to, and its bars."""

    name: str
    title: str | Promise
    is_money: bool
    today: Any
    total: Any
    peak: Any
    bars: list[Bar]

    @property
    def width(self) -> int:
        return SLOT * len(self.bars)


def chart(days: list[Day], name: str, title: str | Promise, *, is_money: bool = False) -> Chart:
    """The bars of one figure; a day with anything has at least one unit of height."""
    values = [getattr(day, name) for day in days]
    peak = max(values)
    bars = []
    for number, (day, value) in enumerate(zip(days, values, strict=True)):
        height = max(1, round(HEIGHT * value / peak)) if value else 0
        left = SLOT * number
        bars.append(
            Bar(day, left, left + (SLOT - BAR) // 2, HEIGHT - height, height, day is days[-1])
        )
    return Chart(name, title, is_money, values[-1], sum(values), peak, bars)


@require_safe
@login_not_required
def home(request: HttpRequest) -> HttpResponse:
    """What this is, for visitors; the desk, for those who are signed in."""
    return dashboard(request) if request.user.is_authenticated else public_page(request)  # type: ignore[arg-type]  # signed in


@require(Permission.VIEW_ORDERS)
def dashboard(request: SignedIn) -> HttpResponse:
    """Everything at a glance; each figure leads to the list behind it."""
    days = sales(days=DAYS)
    shown = tiles(request)
    context: dict[str, Any] = {
        "today": days[-1].date,
        "tiles": shown,
        "has_work": any(tile.is_mine for tile in shown),
        "days": list(reversed(days)),
        "today_url": days[-1].url,
        "period_url": list_of(days[0].date, days[-1].date),
        "charts": [
            chart(days, "orders", _("Orders")),
            chart(days, "revenue", _("Revenue"), is_money=True),
        ],
        "height": HEIGHT,
        "bar_width": BAR,
        "slot": SLOT,
        "notices": open_notices(NOTICES_SHOWN),
    }
    if request.user.has_perm(Permission.VIEW_EVENTS):
        told = events().exclude(type__in=CONSEQUENCES)
        context["entries"] = entries(told.order_by("-id")[:LATEST])
    else:
        context["steps"] = latest_changes(LATEST)
    return render(request, "dashboard/dashboard.html", context)

"""The filters of a list that somebody keeps under a name."""

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from erp_site.core.errors import Duplicate, NotFound
from erp_site.core.transactions import retrying_atomic
from orders.models import SavedView

if TYPE_CHECKING:
    from accounts.models import User


@retrying_atomic
def save_view(
    *, actor: "User", name: str, query: str, is_shared: bool = False, replace: bool = False
) -> SavedView:
    """Keep the filters of a list under a name.

    Raises:
        Duplicate: one's own view of that name has other filters, and `replace` does not say that it may go.
    """
    view, created = SavedView.objects.select_for_update().get_or_create(
        owner=actor, name=name.strip(), defaults={"query": query, "is_shared": is_shared}
    )
    if created:
        return view
    if view.query != query and not replace:
        raise Duplicate(_("You have a view of this name, with other filters."), field="name")
    view.query, view.is_shared = query, is_shared
    view.save(update_fields=["query", "is_shared"])
    return view


@retrying_atomic
def delete_view(*, actor: "User", view_id: int) -> None:
    """Forget one of one's own views.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    if not SavedView.objects.filter(pk=view_id, owner=actor).delete()[0]:
        raise NotFound(_("There is no such view."))

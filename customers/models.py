"""Who buys."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from catalog.models import PriceList
from erp_site.core import clock
from erp_site.core.models import EventSource, Named, UniqueAlive
from erp_site.core.search import SearchWord


class Customer(Named, EventSource, UniqueAlive):
    """A company or a person with a CPF or CNPJ, unique among the living."""

    cpf_cnpj = models.CharField("CPF/CNPJ", max_length=14)
    email = models.EmailField(_("e-mail"), max_length=254)
    phone = models.CharField(_("phone"), max_length=32, blank=True)
    address = models.CharField(_("address"), max_length=500, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    price_list = models.ForeignKey(
        PriceList,
        verbose_name=_("price list"),
        null=True,
        blank=True,
        default=None,
        on_delete=models.PROTECT,
        related_name="customers",
        db_index=False,
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(_("created at"), default=clock.now, editable=False)
    updated_at = models.DateTimeField(_("updated at"), default=clock.now, editable=False)

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        constraints = [
            models.UniqueConstraint(fields=["cpf_cnpj", "live"], name="customer_cpf_cnpj_unique"),
            UniqueAlive.live_constraint("customer_live_marker"),
            models.CheckConstraint(condition=~Q(name=""), name="customer_name_given"),
        ]
        indexes = [
            # Each with what lists filter by, so that a row is read only to be shown.
            models.Index(
                fields=["sorted_name", "id", "is_active", "created_at", "deleted_at"],
                name="customer_by_name",
            ),
            models.Index(
                fields=["is_active", "sorted_name", "id", "deleted_at"], name="customer_by_active"
            ),
            models.Index(fields=["email", "id", "deleted_at"], name="customer_by_email"),
            models.Index(
                fields=["price_list", "sorted_name", "id", "is_active", "deleted_at"],
                name="customer_by_price_list",
            ),
            models.Index(
                fields=["created_at", "id", "is_active", "deleted_at"], name="customer_by_created"
            ),
            models.Index(
                fields=["updated_at", "id", "is_active", "created_at", "deleted_at"],
                name="customer_by_updated",
            ),
        ]


class CustomerWord(SearchWord):
    """The words a customer is found by: those of the name."""

    owner = models.ForeignKey(
        Customer, on_delete=models.CASCADE, related_name="words", db_index=True
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["word", "owner"], name="customer_word_unique"),
        ]

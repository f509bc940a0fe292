"""What can be done to customers. The only writer of them."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.roles import Permission
from catalog.queries import price_list_named
from catalog.services import hold_price_list
from erp_site.core import clock, taxid
from erp_site.core.errors import (
    Conflict,
    Denied,
    Duplicate,
    FieldError,
    NotFound,
    NothingNamed,
    StaleVersion,
)
from erp_site.core.text import as_lines
from erp_site.core.transactions import is_duplicate, retrying_atomic
from erp_site.core.validation import assign, field_errors, refuse

from .models import Customer, CustomerWord
from .queries import as_record, missing
from .signals import customer_created, customer_deleted, customer_updated

if TYPE_CHECKING:
    from accounts.models import User

#: Asked before a customer is deleted, under its lock: is it still needed? The apps above add their answer when
#: they are ready, since this one may not know them.
IN_USE_CHECKS: Final[list[Callable[[Customer], bool]]] = []


class CustomerInUse(Conflict):
    """Somebody still needs the customer, for instance an open order."""

    code = "customer_in_use"
    title = "Customer in use"


class CustomerFields(TypedDict, total=False):
    """What people may write, in any usual spelling."""

    name: str
    cpf_cnpj: str
    email: str
    phone: str
    address: str
    is_active: bool
    price_list_id: int | None


#: How each field is stored: databases disagree about case and spaces, so there is one spelling only.
_STORED: Final[Mapping[str, Callable[[Any], Any]]] = {
    "name": str.strip,
    "cpf_cnpj": taxid.normalise,
    "email": lambda email: email.strip().lower(),
    "phone": str.strip,
    "address": lambda address: as_lines(address).strip(),
    "is_active": bool,
    "price_list_id": lambda price_list_id: price_list_id,
}


@retrying_atomic
def create_customer(
    *,
    actor: "User",
    name: str,
    cpf_cnpj: str,
    email: str,
    phone: str = "",
    address: str = "",
    is_active: bool = True,
    price_list_id: int | None = None,
) -> Customer:
    """Add a customer.

    Raises:
        Denied: the role may not.
        Invalid: naming every wrong field; CPF and CNPJ are checked by their digits (IN RFB 2.229/2024).
        Duplicate: a living customer has this CPF or CNPJ.
        NothingNamed: there is no such price list.
    """
    _require(actor)
    customer = Customer(event_seq=1)
    given = CustomerFields(
        name=name,
        cpf_cnpj=cpf_cnpj,
        email=email,
        phone=phone,
        address=address,
        is_active=is_active,
        price_list_id=price_list_id,
    )
    _write(customer, given)
    customer.created_at = customer.updated_at = clock.now()
    _save(customer)
    CustomerWord.index(customer.pk, customer.name, is_new=True)
    customer_created.send(sender=Customer, customer=customer, actor=actor)
    return customer


@retrying_atomic
def update_customer(
    *, actor: "User", customer_id: int, version: int | None = None, **given: Unpack[CustomerFields]
) -> Customer:
    """Change the fields given, and only those. What is the same already is no change.

    Raises:
        Denied, NotFound, Invalid, Duplicate, NothingNamed: as for a new one.
        StaleVersion: `version` is given and is not the present one; `current` is the customer as it is now.
    """
    _require(actor)
    customer = _locked(customer_id)
    if version is not None and version != customer.version:
        raise StaleVersion(
            _("The customer was changed meanwhile."), current=as_record(customer, actor)
        )
    changed = _write(customer, given)
    if not changed:
        return customer
    customer.version += 1
    customer.updated_at = clock.now()
    customer.next_sequence()
    _save(customer, [*changed, "version", "updated_at", "event_seq"])
    if "name" in changed:
        CustomerWord.index(customer.pk, customer.name)
    customer_updated.send(sender=Customer, customer=customer, changed=changed, actor=actor)
    return customer


@retrying_atomic
def delete_customer(*, actor: "User", customer_id: int) -> None:
    """Take a customer out of the lists. Their orders stay, and their CPF or CNPJ is free again.

    Raises:
        Denied, NotFound: as above.
        CustomerInUse: they have open orders.
    """
    _require(actor)
    # Without this lock an order could be placed between the check and the deletion.
    customer = _locked(customer_id)
    if any(in_use(customer) for in_use in IN_USE_CHECKS):
        raise CustomerInUse(
            _("%(name)s has open orders.") % {"name": customer.name}, customer_id=customer.pk
        )
    customer.mark_deleted(clock.now())
    customer.next_sequence()
    # The words stay: old orders are still found by the customer's name.
    customer.save(update_fields=["deleted_at", "live", "event_seq"])
    customer_deleted.send(sender=Customer, customer=customer, actor=actor)


@retrying_atomic
def upsert_customer(
    *, actor: "User", cpf_cnpj: str, price_list: str | None = None, **given: Any
) -> str:
    """One row of a file: change the living customer with this CPF or CNPJ, or create it.

    Answers "created", "updated" or "unchanged". Raises what creating and changing raise, and Invalid for a name that
    no price list has.

    Args:
        price_list: its name; None leaves theirs as it is.
    """
    customer = Customer.objects.filter(cpf_cnpj=taxid.normalise(cpf_cnpj)).first()
    errors = []
    if customer is None:
        detail = _("A new customer needs this.")
        errors += [
            FieldError(pointer=f"/{field}", code="missing", detail=detail)
            for field in ("name", "email")
            if field not in given
        ]
    if price_list is not None:
        if found := price_list_named(price_list):
            given["price_list_id"] = found.pk
        else:
            detail = _("There is no price list of this name.")
            errors.append(FieldError(pointer="/price_list", code="not_found", detail=detail))
    refuse(errors)
    if customer is None:
        create_customer(actor=actor, cpf_cnpj=cpf_cnpj, **given)
        return "created"
    version = customer.version
    changed = update_customer(actor=actor, customer_id=customer.pk, **given)
    return "unchanged" if changed.version == version else "updated"


def _require(actor: "User") -> None:
    if not actor.has_perm(Permission.CHANGE_CUSTOMERS):
        raise Denied(_("Your role may not change customers."))


def _locked(customer_id: int) -> Customer:
    customer = Customer.objects.select_for_update().filter(pk=customer_id).first()
    if customer is None:
        raise missing(customer_id)
    return customer


def _write(customer: Customer, given: CustomerFields) -> dict[str, list[Any]]:
    """Put the values on the customer, normalised and checked; what changed, as [old, new]."""
    changed = assign(customer, given, _STORED)
    if customer.price_list_id is not None and "price_list_id" in changed:
        try:
            hold_price_list(customer.price_list_id)
        except NotFound as gone:
            raise NothingNamed(gone.message, field="price_list_id", **gone.facts) from gone
    errors = field_errors(customer, given.keys() - {"price_list_id"}, several_lines={"address"})
    if "cpf_cnpj" in given and not taxid.is_valid(customer.cpf_cnpj):
        errors = [error for error in errors if error["pointer"] != "/cpf_cnpj"]
        errors.append(
            FieldError(
                pointer="/cpf_cnpj", code="invalid_tax_id", detail=_("Not a valid CPF or CNPJ.")
            )
        )
    refuse(errors)
    return changed


def _save(customer: Customer, fields: list[str] | None = None) -> None:
    try:
        with transaction.atomic():
            customer.save(force_insert=fields is None, update_fields=fields)
    except IntegrityError as error:
        if is_duplicate(error, "customer_cpf_cnpj_unique", "customers_customer.cpf_cnpj"):
            raise Duplicate(
                _("Another customer has this CPF or CNPJ."), field="cpf_cnpj"
            ) from error
        raise

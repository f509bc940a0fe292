"""What each problem code means and what to do about it: the words of /docs/errors.

Every code the API can answer is here (a test walks the code for them); `type` of a problem points to its line.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Explanation:
    """One problem code: what happened, and what the caller does next."""

    code: str
    status: int
    meaning: str | Promise
    remedy: str | Promise


EXPLANATIONS: Final = (
    Explanation(
        "malformed",
        400,
        _("The request cannot be read: broken JSON, a wrong header."),
        _("Mend the request; sending it again as it is will not help."),
    ),
    Explanation(
        "idempotency_key_missing",
        400,
        _("An order needs a key that makes it safe to send again."),
        _("Send a fresh UUID as `Idempotency-Key`, and keep it for every retry of this order."),
    ),
    Explanation(
        "idempotency_key_conflict",
        400,
        _("The key in the header and the key in the body differ."),
        _("Send the key in one of the two places."),
    ),
    Explanation(
        "unauthenticated",
        401,
        _("There is no valid sign-in: no token, an expired one, or one that was revoked."),
        _("Refresh the token or sign in again."),
    ),
    Explanation(
        "invalid_credentials",
        401,
        _("The e-mail address or the password is wrong."),
        _("Check both. After several failures the address has to wait."),
    ),
    Explanation(
        "account_inactive",
        401,
        _("The account waits for its activation, or was deactivated."),
        _("A manager can activate it."),
    ),
    Explanation(
        "second_factor_required",
        401,
        _("The password was right; the account also asks for a second factor."),
        _("Send the code with the `session_token` of this answer to `POST /auth/jwt/mfa`."),
    ),
    Explanation(
        "invalid_code",
        401,
        _("The code of the second factor is wrong, or was used before."),
        _("Wait for the next code of the authenticator app and try again."),
    ),
    Explanation(
        "no_sign_in_pending",
        401,
        _("No sign-in waits for a second factor under this `session_token`."),
        _("Start again with e-mail address and password."),
    ),
    Explanation(
        "invalid_refresh_token",
        401,
        _("The refresh token was used, revoked, or has expired. Each one works once."),
        _("Sign in again, and always keep the newest pair."),
    ),
    Explanation(
        "forbidden",
        403,
        _("The caller is known, and their role may not do this."),
        _("Ask somebody whose role may, or have the role changed."),
    ),
    Explanation(
        "price_too_low",
        403,
        _("A price was agreed upon that is lower than the caller may go."),
        _(
            "`items` names each product with its `lowest_price`: agree on that, or ask somebody who may go lower."
        ),
    ),
    Explanation(
        "csrf_failed",
        403,
        _("A call signed in by cookie carried no valid CSRF token."),
        _(
            "Send the token of `GET /auth/csrf` in `X-CSRFToken`, a new one after each sign-in, or use a Bearer token "
            "instead."
        ),
    ),
    Explanation(
        "own_account",
        403,
        _(
            "Nobody changes their own role or discount limit, deactivates themselves, or resets their own password."
        ),
        _(
            "Have another manager or administrator do it; a password is changed under `POST /auth/password`."
        ),
    ),
    Explanation(
        "registration_closed",
        403,
        _("New accounts are made by managers here."),
        _("Ask a manager for an account."),
    ),
    Explanation(
        "not_found",
        404,
        _("There is no such record or address; a customer or product named in a body counts too."),
        _("Check the id. Deleted records are not found either."),
    ),
    Explanation(
        "method_not_allowed",
        405,
        _("This address exists, and does not answer to this method."),
        _("The `Allow` header lists the methods it answers to."),
    ),
    Explanation(
        "conflict",
        409,
        _("The request is right, and the present state of the data refuses it."),
        _("Read the record again and decide anew."),
    ),
    Explanation(
        "insufficient_stock",
        409,
        _("There is less available than asked for. Nothing was reserved."),
        _(
            "`items` names every short product with `requested` and `available`: order less, or restock."
        ),
    ),
    Explanation(
        "illegal_transition",
        409,
        _("An order of this status cannot go where it was sent."),
        _("`allowed` lists where it can go from here."),
    ),
    Explanation(
        "not_amendable",
        409,
        _("The order is picked, or over: its lines and its delivery stay as they are."),
        _(
            "`amendable` lists the statuses in which an order may be changed. Place another order for what is missing."
        ),
    ),
    Explanation(
        "inactive_customer",
        409,
        _("The customer is deactivated and gets no new orders."),
        _("Activate the customer, or choose another."),
    ),
    Explanation(
        "inactive_product",
        409,
        _("A product is deactivated and cannot be ordered."),
        _("Activate the product, or leave it out."),
    ),
    Explanation(
        "price_changed",
        409,
        _(
            "A product costs another price than the one that the order's form showed. Pages alone ask for this."
        ),
        _(
            "`items` names it with its `unit_price` of now: agree on that, and send the order again."
        ),
    ),
    Explanation(
        "stale_version",
        409,
        _("Somebody edited the record since it was read."),
        _("`current` is the record as it is now: apply the change to it and send its `version`."),
    ),
    Explanation(
        "duplicate",
        409,
        _("Another living record has this value already."),
        _("`field` says which one: use another value, or the existing record."),
    ),
    Explanation(
        "stock_changed",
        409,
        _("The stock is no longer what the count expected."),
        _("`on_hand` is the real figure: count again and send it as `expected_on_hand`."),
    ),
    Explanation(
        "product_in_use",
        409,
        _("The product has stock or reservations, so it is not deleted."),
        _("Bring both to zero first, or deactivate the product."),
    ),
    Explanation(
        "customer_in_use",
        409,
        _("The customer has open orders, so it is not deleted."),
        _("Finish or cancel the orders first, or deactivate the customer."),
    ),
    Explanation(
        "price_list_in_use",
        409,
        _("Customers buy by the price list, so it is not deleted."),
        _("Give them another price list, or none, first."),
    ),
    Explanation(
        "import_state",
        409,
        _("The import has gone on since it was looked at."),
        _("`state` is where it stands now."),
    ),
    Explanation(
        "too_many_webhooks",
        409,
        _("There are as many webhooks as can be served."),
        _("Delete one that is not needed any more."),
    ),
    Explanation(
        "webhook_paused",
        409,
        _("The webhook is paused and gets nothing."),
        _("Resume it first."),
    ),
    Explanation(
        "body_too_large",
        413,
        _("The body is larger than 1 MiB."),
        _("Send less at once."),
    ),
    Explanation(
        "unsupported_media_type",
        415,
        _("The body is not JSON."),
        _("Send `Content-Type: application/json`."),
    ),
    Explanation(
        "validation_error",
        422,
        _("Values are missing, unknown or out of range. Nothing was changed."),
        _("`errors` names each one by a JSON pointer, with a code and a sentence."),
    ),
    Explanation(
        "idempotency_key_reused",
        422,
        _("The key was used before, for a different request."),
        _("Use a new key for a new order; an old key only to repeat the very same one."),
    ),
    Explanation(
        "rate_limited",
        429,
        _("Too many requests, or too many failed sign-ins."),
        _("Wait for the seconds in `Retry-After`."),
    ),
    Explanation(
        "internal_error",
        500,
        _("Something went wrong on our side. Nothing was changed."),
        _("Tell us the `request_id`."),
    ),
    Explanation(
        "busy",
        503,
        _(
            "The database is away, or busy past all retries. If it went away at the last moment, the change may be made."  # noqa: E501 -- one sentence
        ),
        _(
            "Wait for the seconds in `Retry-After` and send the same request, with the same key: it is booked once."
        ),
    ),
)


def by_status() -> list[tuple[HTTPStatus, list[Explanation]]]:
    """The explanations under their statuses, in order."""
    found: dict[int, list[Explanation]] = {}
    for explanation in EXPLANATIONS:
        found.setdefault(explanation.status, []).append(explanation)
    return [(HTTPStatus(status), found[status]) for status in sorted(found)]

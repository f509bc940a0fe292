"""What the domain may refuse. Neither HTTP nor HTML is known here, only the class of the refusal."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self, TypedDict

from django.utils.translation import gettext as _


class FieldError(TypedDict):
    """One wrong field: a JSON pointer (RFC 6901) into the request body, a code, a sentence."""

    pointer: str
    code: str
    detail: str


class DomainError(Exception):
    """A refusal: a code for machines, a message for people, and the facts behind it.

    `facts` become members of the problem document (RFC 9457), so they must be JSON values, amounts or aware times.
    """

    code: ClassVar[str] = "domain_error"
    title: ClassVar[str] = "Refused"
    status: ClassVar[int] = 400

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts


class Malformed(DomainError):
    """The request cannot be understood at all."""

    code = "malformed"
    title = "Malformed request"
    status = 400


class NotFound(DomainError):
    code = "not_found"
    title = "Not found"
    status = 404


class NothingNamed(NotFound):
    """What a field of the request names is not there; `field` says which. To the API it is what any other 404 is."""

    def __init__(self, message: str, *, field: str, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.field = field


class Denied(DomainError):
    """The caller is known and may not do this."""

    code = "forbidden"
    title = "Not allowed"
    status = 403


class Conflict(DomainError):
    """The request is right in itself, the present state of the data refuses it."""

    code = "conflict"
    title = "Conflict"
    status = 409


class Invalid(DomainError):
    """The values sent are wrong; `errors` names each field."""

    code = "validation_error"
    title = "Validation failed"
    status = 422

    def __init__(self, message: str, *, errors: Sequence[FieldError] = (), **facts: Any) -> None:
        super().__init__(message, **facts)
        if errors:
            self.facts["errors"] = list(errors)

    @classmethod
    def field(cls, pointer: str, code: str, detail: str) -> "Invalid":
        """The usual case: exactly one field is wrong."""
        return cls(detail, errors=[FieldError(pointer=pointer, code=code, detail=detail)])


class Busy(DomainError):
    """The database is away, or busy past all retries: try again, with the same idempotency key."""

    code = "busy"
    title = "Temporarily unavailable"
    status = 503
    retry_after: ClassVar[int] = 2  # seconds

    @classmethod
    def without_database(cls) -> Self:
        """The connection broke. That nothing was changed cannot be promised: it may have been during COMMIT."""
        return cls(_("The database does not answer. Please try again in a few seconds."))


class Duplicate(Conflict):
    """Another living record already has this value; `field` says which."""

    code = "duplicate"
    title = "Already taken"

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message, field=field)


class StaleVersion(Conflict):
    """The record was edited since the caller read it; `current` is how it is now."""

    code = "stale_version"
    title = "Changed meanwhile"


class IdempotencyKeyReused(Invalid):
    """The key was used before, for another request."""

    code = "idempotency_key_reused"
    title = "Idempotency key reused"

    def __init__(self) -> None:
        super().__init__(_("This idempotency key was used for another request."))

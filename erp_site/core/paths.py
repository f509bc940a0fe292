"""Records in addresses."""

from django.urls import register_converter

#: Digits of the largest id that every database keeps: nine quintillion has 19, and not all of those fit.
LONGEST_ID = 18


class RecordId:
    """`<id:order_id>`: what can be no record's id is no address, instead of an error of the database that is asked."""

    regex = f"[0-9]{{1,{LONGEST_ID}}}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


def record_id(text: str) -> int | None:
    """The id that a form or a query says; None if it is none."""
    is_one = text.isascii() and text.isdigit() and len(text) <= LONGEST_ID
    return int(text) if is_one else None


register_converter(RecordId, "id")

"""What may stand in text that people and programs send. Both faces and imports ask here."""

import re
import unicodedata
from typing import Final

from django.utils.translation import gettext_lazy as _

NO_CONTROL: Final = _("Control characters are not allowed.")
NO_BREAKS: Final = _("Line breaks and control characters are not allowed.")

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
#: The same without tabs and what ends a line.
_CONTROL_IN_LINES: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
#: Controls, formats (zero-width, direction), spaces, and marks without a letter that they stand on.
_UNSEEN: Final = {"Cc", "Cf", "Zs", "Zl", "Zp", "Mn", "Me"}
#: Letters and signs by their category, but blank: the fillers of Hangul, the empty pattern of Braille.
_BLANK: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def has_control(text: str, *, several_lines: bool) -> bool:
    """Are there control characters in it? In one line, ends of lines and tabs are such."""
    return bool((_CONTROL_IN_LINES if several_lines else _CONTROL).search(text))


def as_lines(text: str) -> str:
    """Lines that end as ours do, in LF: browsers send CRLF, whatever they were given."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_visible(text: str) -> bool:
    """Is there anything to see? A name of zero-width spaces is none."""
    return any(unicodedata.category(it) not in _UNSEEN and it not in _BLANK for it in text)

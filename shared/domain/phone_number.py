"""A patient's phone number, which must never be printed by accident."""

import re
from dataclasses import dataclass

from shared.domain.errors import DomainError

# E.164: a plus, a country code that does not start with 0, at most 15 digits in all (ITU-T E.164, 6).
_E164 = re.compile(r"\+[1-9]\d{6,14}")


class UnusablePhoneNumber(DomainError):
    """Not a number a text message can be sent to."""


@dataclass(frozen=True, slots=True, repr=False)
class PhoneNumber:
    e164: str

    def __post_init__(self) -> None:
        if not _E164.fullmatch(self.e164):
            raise UnusablePhoneNumber("expected an international number such as +12065550142")

    def __str__(self) -> str:
        return f"…{self.e164[-2:]}"

    # A traceback or an f-string in a log line shows the mask; only code that
    # asks for `.e164` by name can see the number.
    __repr__ = __str__

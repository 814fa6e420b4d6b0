"""How many text messages a text is billed as, and why."""

from dataclasses import dataclass

from shared.domain.words import Said, said

# The default alphabet of text messages and its extension, whose characters count twice (3GPP TS 23.038, 6.2.1).
_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_TWICE = frozenset("\f^{}\\[~]|€")

# Above this the letters are a script of their own, not an accent that someone could leave out.
_NAMED_AT_MOST = 3


@dataclass(frozen=True, slots=True)
class TextLength:
    """The measure of one text. `outside` holds the letters that made all of it 16-bit, each once."""

    characters: int
    segments: int
    outside: tuple[str, ...]

    @property
    def said(self) -> Said:
        """The count in words: `2 messages, because of the letter ó`."""
        if self.segments == 1:
            return said("1 message, %(characters)s characters", characters=self.characters)
        count = {"messages": self.segments, "characters": self.characters}
        if not self.outside:
            return said("%(messages)s messages, because of its length: %(characters)s characters", **count)
        if len(self.outside) == 1:
            return said(
                "%(messages)s messages, because of the letter %(letter)s", letter=self.outside[0], **count
            )
        if len(self.outside) <= _NAMED_AT_MOST:
            letters = " ".join(self.outside)
            return said("%(messages)s messages, because of the letters %(letters)s", letters=letters, **count)
        return said(
            "%(messages)s messages, because this script takes more room: %(characters)s characters", **count
        )


def measure(text: str) -> TextLength:
    """How long `text` is as text messages."""
    outside = tuple(dict.fromkeys(letter for letter in text if not is_gsm7(letter)))
    plain = "".join("x" if letter in outside else letter for letter in text)
    # Without those letters it would be just as many messages: then it is simply long.
    blamed = outside if segments(plain) < segments(text) else ()
    return TextLength(len(text), segments(text), blamed)


def is_gsm7(text: str) -> bool:
    """Whether a text travels in the 7-bit alphabet. One character outside of it makes all of them 16-bit."""
    return all(letter in _GSM7 or letter in _GSM7_TWICE for letter in text)


def segments(text: str) -> int:
    """How many text messages a text is billed as.

    A single one carries 160 (16-bit: 70) characters, each of several 153 (67): the rest numbers the parts. A
    character that takes two places is never split between two parts (3GPP TS 23.040, 9.2.3.24).
    """
    if is_gsm7(text):
        sizes = [2 if letter in _GSM7_TWICE else 1 for letter in text]
        alone, together = 160, 153
    else:
        sizes = [2 if ord(letter) > 0xFFFF else 1 for letter in text]
        alone, together = 70, 67
    if sum(sizes) <= alone:
        return 1
    parts, room = 1, together
    for size in sizes:
        if size > room:
            parts, room = parts + 1, together
        room -= size
    return parts

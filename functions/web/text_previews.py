"""How each text to patients would read, in each language, and how many messages it is billed as."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from functions.web.pages import LANGUAGES
from shared.domain.environment import Operation
from shared.domain.notification import NotificationKind
from shared.domain.text_length import TextLength, measure
from shared.domain.words import Said, said
from shared.flows.ports import Wording

_SHOWN = {
    NotificationKind.BOOKED: said("When a visit is scheduled"),
    NotificationKind.CHANGED: said("When a visit is changed"),
    NotificationKind.REMINDER: said("Reminder"),
    NotificationKind.CANCELLED: said("When a visit is cancelled"),
    NotificationKind.NO_LONGER_VIDEO: said("When a visit is no longer by video"),
}

# As long as a real one: 128 bits in base64.
_LINK_SECRET = "ExampleLink-0123456789"  # noqa: S105 - opens nothing


@dataclass(frozen=True, slots=True)
class Preview:
    """One text in one language. `on` says whether patients get it in this language today."""

    language: str
    kind: NotificationKind
    title: Said
    text: str
    length: TextLength
    on: bool


@dataclass(frozen=True, slots=True)
class LanguagePreviews:
    """The texts of one language, by its HTML code and its own name."""

    code: str
    name: str
    texts: tuple[Preview, ...]

    @property
    def most(self) -> TextLength:
        """The length of the longest text."""
        return max(
            (one.length for one in self.texts), key=lambda length: (length.segments, length.characters)
        )


def previews(
    operation: Operation, *, wording: Wording, public_base_url: str, now: datetime
) -> list[LanguagePreviews]:
    """Every text of `operation` in every language, for a visit tomorrow at half past two in the afternoon."""
    zone = operation.feed.zone or "UTC"
    tomorrow = now.astimezone(ZoneInfo(zone)).date() + timedelta(days=1)
    starts_at = datetime.combine(tomorrow, time(14, 30), tzinfo=ZoneInfo(zone))

    def texts(language: str) -> Iterator[Preview]:
        for kind, title in _SHOWN.items():
            text = wording.compose(
                kind,
                language=language,
                organization=operation.organization,
                phone=operation.phone,
                starts_at=starts_at,
                zone=zone,
                link=f"{public_base_url}/v/{_LINK_SECRET}",
            )
            on = language in operation.texts.languages and _wanted(kind, operation)
            yield Preview(language, kind, title, text, measure(text), on)

    return [LanguagePreviews(one.code, one.name, tuple(texts(one.code))) for one in LANGUAGES]


def _wanted(kind: NotificationKind, operation: Operation) -> bool:
    texts = operation.texts
    return {
        NotificationKind.BOOKED: texts.booked,
        NotificationKind.CHANGED: texts.changed,
        NotificationKind.REMINDER: bool(texts.reminders),
    }.get(kind, texts.cancelled)

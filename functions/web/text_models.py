"""The shapes of the API about text messages: what a certificate file holds, and how texts would read."""

from datetime import datetime

from pydantic import Field

from functions.web.portal_models import Model
from functions.web.text_previews import LanguagePreviews
from shared.domain.environment import Certificate
from shared.domain.notification import NotificationKind


class InspectedOut(Model):
    """What is in a certificate file. Nothing of the file is kept."""

    subject: str
    issuer: str
    serial: str = Field(description="Upper-case hex")
    fingerprint: str = Field(description="SHA-256 of the DER form, lower-case hex")
    valid_from: datetime
    valid_until: datetime
    takes_over: bool = Field(description="The live certificate stays accepted for 7 days after the approval")


class PreviewOut(Model):
    """One text in one language."""

    kind: NotificationKind
    text: str
    characters: int
    messages: int = Field(description="How many text messages it is billed as")
    letters: list[str] = Field(description="Letters that make it more messages than its length alone would")
    said: str = Field(description="The count in words, in English")
    on: bool = Field(description="Whether patients who read this language get it today")


class LanguageOut(Model):
    language: str
    reviewed: bool = Field(description="Whether an administrator confirmed the review of the translation")
    texts: list[PreviewOut]


class PreviewsOut(Model):
    """Every text in every language, for a visit tomorrow at 14:30."""

    languages: list[LanguageOut]


def inspected(one: Certificate, *, takes_over: bool) -> InspectedOut:
    return InspectedOut(
        subject=one.subject,
        issuer=one.issuer,
        serial=one.serial,
        fingerprint=one.fingerprint,
        valid_from=one.valid_from,
        valid_until=one.valid_until,
        takes_over=takes_over,
    )


def previewed(found: list[LanguagePreviews], *, reviewed: tuple[str, ...]) -> PreviewsOut:
    return PreviewsOut(
        languages=[
            LanguageOut(
                language=each.code,
                reviewed=each.code in reviewed,
                texts=[
                    PreviewOut(
                        kind=one.kind,
                        text=one.text,
                        characters=one.length.characters,
                        messages=one.length.segments,
                        letters=list(one.length.outside),
                        said=str(one.length.said),
                        on=one.on,
                    )
                    for one in each.texts
                ],
            )
            for each in found
        ]
    )

"""What the records page shows beside the records: signs of life in the reader's words, and the files to take away."""

import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from functions.web.pages import spoken, spoken_clock, spoken_date
from shared.domain.environment import Environment, EnvironmentId
from shared.domain.integration_record import Record, as_json, as_text
from shared.domain.launch import MixUp
from shared.domain.sign_of_life import SignKind, Signs, mix_up_of
from shared.domain.words import said

_FIRST = {
    SignKind.PROVIDER: said("First launch received %(time)s by provider record"),
    SignKind.PATIENT: said("First launch received %(time)s by patient record"),
    SignKind.GROUP_PROVIDER: said("First launch received %(time)s by group provider record"),
    SignKind.GROUP_PATIENT: said("First launch received %(time)s by group patient record"),
    SignKind.DEVICE_TEST: said("First launch received %(time)s by device test record"),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """Signs of life as sentences in one language; empty where there is nothing to say."""

    received: bool
    first: str
    last: str
    message: str
    mix_up: str
    checked: str

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def shown(
    signs: Signs, *, environment: Environment, every: Sequence[Environment], language: str, now: datetime
) -> Shown:
    zone = environment.operation.feed.zone or "UTC"

    def at(moment: datetime) -> str:
        clinic = ZoneInfo(zone)
        clock = spoken_clock(moment, zone, language)
        if moment.astimezone(clinic).date() == now.astimezone(clinic).date():
            return clock
        return f"{spoken_date(moment, zone, language)}, {clock}"

    first, last, message = signs.first_launch, signs.last_launch, signs.message
    mixed = mix_up_of(signs, own=environment, every=every)
    return Shown(
        received=first is not None,
        first=spoken(language, said(_FIRST[first.kind].template, time=at(first.first_at)))
        if first
        else spoken(language, said("No launch from Epic yet")),
        last=spoken(language, said("Last launch %(time)s", time=at(last.last_at))) if last else "",
        message=spoken(language, said("Last appointment message %(time)s", time=at(message.last_at)))
        if message
        else spoken(language, said("No appointment message yet")),
        mix_up=mix_up_sentence(mixed, language),
        checked=spoken(language, said("Checked %(time)s. This page updates by itself.", time=at(now))),
    )


def mix_up_sentence(mixed: MixUp | None, language: str) -> str:
    if mixed is None:
        return ""
    return spoken(
        language,
        said(
            "A launch came from %(came_from)s with the %(record_of)s record. Check the records in Epic.",
            came_from=spoken(language, mixed.came_from),
            record_of=spoken(language, mixed.record_of),
        ),
    )


def file_name(environment: Environment, what: str) -> str:
    """What a downloaded file is called: plain letters, and which environment it is for."""
    organization = re.sub(r"[^a-z0-9]+", "-", environment.operation.organization.lower()).strip("-")
    return "-".join(part for part in (organization, environment.kind, what) if part)


def heading(environment: Environment, kind: str) -> str:
    return f"{environment.operation.organization} · {kind} · {environment.id}"


def zipped(records: Sequence[Record], environment: Environment, *, kind: str) -> bytes:
    """Every record as a text file, and all of them as one JSON file."""
    # Dated alike, so that the same records make the same file.
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for record in records:
            name = zipfile.ZipInfo(f"{record.kind}.txt", (1980, 1, 1, 0, 0, 0))
            archive.writestr(name, as_text(record, heading=heading(environment, kind)))
        name = zipfile.ZipInfo("records.json", (1980, 1, 1, 0, 0, 0))
        archive.writestr(name, as_json(records, environment=EnvironmentId(environment.id)))
    return content.getvalue()

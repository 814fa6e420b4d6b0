"""What a change of settings stops, with exact figures."""

from dataclasses import replace
from datetime import time, timedelta

import pytest

from shared.domain.effects import Effects, foreseen, stops
from shared.domain.environment import Texts
from shared.domain.expected import Expected
from tests.fakes.hospital import AVERY, NOW, connection, environment, operation

ON = replace(operation().texts, reminders=(timedelta(days=1), timedelta(hours=1)))
# Noon in New York on the seven days from tomorrow, and one more after them.
AHEAD = [
    Expected(f"v{day}", NOW + timedelta(days=day, hours=1), "America/New_York", textable=True)
    for day in range(1, 9)
]


def changed(before: Texts, after: Texts) -> Effects:
    known = environment(operates=operation(texts=before))
    return foreseen(known, known.operated(operation(texts=after), by=AVERY, at=NOW), AHEAD, now=NOW)


def test_turning_texts_off_stops_every_reminder_of_the_next_seven_days() -> None:
    # Six visits start within seven days. The seventh starts an hour later, so both its reminders are within them;
    # the eighth one's first reminder is not.
    assert changed(ON, replace(ON, on=False)) == Effects(stops_texts=True, visits=6, texts=14)


@pytest.mark.parametrize(
    ("after", "texts"),
    [
        (replace(ON, reminders=(timedelta(hours=1),)), 7),
        (replace(ON, reminders=()), 14),
        (replace(ON, backload=True), 14),
        (replace(ON, quiet_from=time(9), quiet_until=time(20)), 7),
        (replace(ON, quiet_from=time(10, 30), quiet_until=time(11, 55)), 7),
    ],
    ids=[
        "one reminder less",
        "no reminders",
        "backload",
        "quiet until after the visit",
        "quiet until it is too late",
    ],
)
def test_each_reminder_that_no_longer_goes_out_is_counted(after: Texts, texts: int) -> None:
    effects = changed(ON, after)

    assert effects.texts == texts
    assert effects.any


@pytest.mark.parametrize(
    "after",
    [
        ON,
        replace(ON, reminders=(*ON.reminders, timedelta(minutes=15))),
        replace(ON, languages=("en", "es")),
    ],
    ids=["nothing", "one more reminder", "one more language"],
)
def test_what_stops_nothing_needs_no_confirmation(after: Texts) -> None:
    assert not changed(ON, after).any


def test_a_kind_of_text_that_is_switched_off_is_said_though_it_cannot_be_counted() -> None:
    assert changed(ON, replace(ON, booked=False)).stops_texts


def test_a_patient_who_is_not_texted_is_not_counted() -> None:
    known = environment(operates=operation(texts=ON))
    after = known.operated(operation(texts=replace(ON, on=False)), by=AVERY, at=NOW)
    silent = [replace(line, textable=False) for line in AHEAD]

    assert foreseen(known, after, silent, now=NOW) == Effects(stops_texts=True, visits=6, texts=0)


def test_removing_an_environment_stops_visits_texts_and_messages() -> None:
    known = environment(operates=operation(texts=ON))

    effects = foreseen(known, known.removed(by=AVERY, at=NOW), AHEAD, now=NOW)

    assert effects == Effects(True, True, True, visits=6, texts=14)


def test_nothing_stops_where_nothing_was_approved() -> None:
    draft = environment(approved=False)

    assert not stops(draft, draft.operated(operation(texts=replace(ON, on=False)), by=AVERY, at=NOW)).any


def test_the_last_certificate_stops_messages_and_one_of_two_does_not() -> None:
    known = environment()
    [one] = connection().certificates
    none = known.redrafted(replace(connection(), certificates=()), by=AVERY, at=NOW)
    two = known.redrafted(
        replace(connection(), certificates=(one, replace(one, fingerprint="e" * 64))), by=AVERY, at=NOW
    )

    assert stops(known, none) == Effects(stops_messages=True)
    assert not stops(two, known).any

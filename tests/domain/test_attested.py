"""Consents and reviewed translations are kept with who and when, and decide in which language patients are texted."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.attested import given_in, review_of, spoken_to
from shared.domain.environment import Attestation, Texts
from tests.fakes.hospital import AVERY, NOW, environment, operation, person

BOTH = ("texts-2026-1", "agreed-2026-1")
LATER = NOW + timedelta(days=1)
BLAKE = person("blake")


def test_each_confirmation_keeps_who_and_when_of_the_first_time() -> None:
    first = environment().operated(operation(texts=Texts(consents=BOTH)), by=AVERY, at=NOW)
    again = first.operated(operation(texts=Texts(consents=BOTH, languages=("en", "es"))), by=BLAKE, at=LATER)

    assert again.operation.texts.attested == (
        Attestation(BOTH[0], AVERY.object_id, NOW),
        Attestation(BOTH[1], AVERY.object_id, NOW),
        Attestation(review_of("es"), BLAKE.object_id, LATER),
    )


def test_what_is_withdrawn_and_given_again_is_given_anew() -> None:
    first = environment().operated(operation(texts=Texts(consents=BOTH)), by=AVERY, at=NOW)
    none = first.operated(operation(texts=Texts()), by=AVERY, at=NOW)
    again = none.operated(operation(texts=Texts(consents=BOTH)), by=BLAKE, at=LATER)

    assert none.operation.texts.attested == ()
    assert {(one.by, one.at) for one in again.operation.texts.attested} == {(BLAKE.object_id, LATER)}


def test_an_organization_has_confirmed_what_any_of_its_environments_keeps() -> None:
    one = environment().operated(operation(texts=Texts(consents=BOTH[:1])), by=BLAKE, at=LATER)
    two = environment().operated(operation(texts=Texts(consents=BOTH)), by=AVERY, at=NOW)

    assert given_in([one, two])[BOTH[0]] == Attestation(BOTH[0], AVERY.object_id, NOW)
    assert set(given_in([one, two])) == set(BOTH)
    assert given_in([]) == {}


@pytest.mark.parametrize(
    ("wanted", "used"),
    [
        ("es", "es"),
        ("es-MX", "es"),
        ("ES", "es"),
        ("zh-Hant-TW", "en"),
        ("", "en"),
        ("ht", "en"),
        ("e", "en"),
    ],
)
def test_a_patient_is_texted_in_their_language_only_when_it_is_on(wanted: str, used: str) -> None:
    assert spoken_to(Texts(languages=("en", "es")), wanted) == used


def test_all_who_read_chinese_get_the_reviewed_characters() -> None:
    assert spoken_to(Texts(languages=("en", "zh-Hant-TW")), "zh-CN") == "zh-Hant-TW"


def test_until_a_review_patients_are_texted_in_english() -> None:
    assert replace(Texts(), on=True).languages == ("en",)

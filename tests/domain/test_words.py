"""A sentence keeps its facts apart, so that it can be said again in another language."""

import pickle

from shared.domain.words import said


def test_it_is_the_filled_english_sentence() -> None:
    assert (
        said("%(email)s is already in the list", email="a@b.example") == "a@b.example is already in the list"
    )


def test_it_remembers_the_template_and_the_facts() -> None:
    sentence = said("%(email)s is already in the list", email="a@b.example")

    assert (sentence.template, dict(sentence.values)) == (
        "%(email)s is already in the list",
        {"email": "a@b.example"},
    )


def test_a_percent_sign_without_facts_stays_one() -> None:
    assert said("100% sure") == "100% sure"


def test_it_survives_being_stored() -> None:
    sentence = said("Wait %(minutes)s minutes", minutes=5)

    again = pickle.loads(pickle.dumps(sentence))  # noqa: S301 - our own bytes
    assert (again, again.template, dict(again.values)) == (sentence, sentence.template, {"minutes": 5})

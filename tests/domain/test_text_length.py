"""A preview says how many messages a text is billed as, and whose fault it is."""

import pytest

from shared.domain.text_length import measure


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a" * 160, "1 message, 160 characters"),
        ("a" * 161, "2 messages, because of its length: 161 characters"),
        ("é" * 160, "1 message, 160 characters"),
        ("ó" + "a" * 69, "1 message, 70 characters"),
        ("ó" + "a" * 70, "2 messages, because of the letter ó"),
        ("óíó" + "a" * 70, "2 messages, because of the letters ó í"),
        ("ó" + "a" * 310, "5 messages, because of the letter ó"),
        ("您有一次視訊看診" * 10, "2 messages, because this script takes more room: 80 characters"),
        ("100%" + "a" * 160, "2 messages, because of its length: 164 characters"),
    ],
    ids=[
        "full",
        "one too many",
        "é is cheap",
        "ó fits",
        "ó",
        "two letters",
        "long with ó",
        "Chinese",
        "a percent sign",
    ],
)
def test_the_reason_is_named(text: str, words: str) -> None:
    assert str(measure(text).said) == words


def test_letters_that_cost_nothing_are_not_blamed() -> None:
    # 140 places in 16 bit are three messages, and 201 plain letters two; 71 are two and one.
    assert measure("ó" * 71).outside == ("ó",)
    assert measure("a" * 200).outside == ()

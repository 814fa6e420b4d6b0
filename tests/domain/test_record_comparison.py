"""The paste-back checker: what is right is called right, and no difference stays unseen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.environment import EnvironmentId
from shared.domain.integration_record import Record, RecordKind, record_of
from shared.domain.record_comparison import Against, Comparison, compare
from shared.domain.record_mistakes import Cause, marked
from tests.domain.test_integration_record import APP, made

OWN, OTHER = EnvironmentId("a1b2c3d4e5f60718"), EnvironmentId("00ff00ff00ff00ff")
AGAINST = Against(OWN, {OTHER: "Production"})
RECORDS = made()
CONTEXT = next(one.text for one in RECORDS[0].values if one.id == "context")

records = st.sampled_from(RECORDS)
letters = st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"])


def held(pasted: str, kind: str = "provider") -> Comparison:
    return compare(pasted, records=RECORDS, kind=kind, against=AGAINST)


def causes(pasted: str, kind: str = "provider") -> list[Cause]:
    return [one.cause for one in held(pasted, kind).differences]


@given(records, st.randoms(), st.sampled_from(["\n", "\r\n", " \r\n", "\t\n", "\n\n"]), st.booleans())
def test_an_exact_copy_is_clean_in_any_order_and_with_any_line_ends(
    record: Record, random: object, ends: str, named: bool
) -> None:
    lines = record.lines().splitlines()
    random.shuffle(lines)  # type: ignore[attr-defined]

    found = held(ends.join(lines) + ends, record.kind if named else "")

    assert found.clean


@given(records, st.data())
def test_an_exact_value_is_clean_and_recognised(record: Record, data: st.DataObject) -> None:
    one = data.draw(st.sampled_from(record.values))

    assert held(f"  {one.text}\r\n", record.kind).clean
    assert held(f"{one.name}: {one.text}", record.kind).clean


@given(records, st.data())
def test_any_single_changed_character_is_found(record: Record, data: st.DataObject) -> None:
    lines = record.lines()
    place = data.draw(st.integers(0, len(lines) - 1).filter(lambda at: lines[at] not in " \n"))
    letter = data.draw(letters.filter(lambda one: one != lines[place]))

    assert not held(lines[:place] + letter + lines[place + 1 :], record.kind).clean


@given(records, st.data())
def test_any_single_character_that_is_missing_is_found(record: Record, data: st.DataObject) -> None:
    lines = record.lines()
    # The space after a colon belongs to neither name nor value, and the last line end to nothing.
    places = [at for at in range(len(lines) - 1) if lines[at] != " " or lines[at - 1] != ":"]
    place = data.draw(st.sampled_from(places))

    assert not held(lines[:place] + lines[place + 1 :], record.kind).clean


@given(records, st.data())
def test_any_single_character_too_many_is_found(record: Record, data: st.DataObject) -> None:
    lines = record.lines()
    place = data.draw(st.integers(0, len(lines)))
    letter = data.draw(letters)

    assert not held(lines[:place] + letter + lines[place:], record.kind).clean


@given(records, st.data())
def test_a_space_inside_a_value_is_found(record: Record, data: st.DataObject) -> None:
    one = data.draw(st.sampled_from([value for value in record.values if len(value.text) > 1]))
    place = data.draw(st.integers(1, len(one.text) - 1))
    changed = one.text[:place] + " " + one.text[place:]
    pasted = record.lines().replace(f"{one.name}: {one.text}\n", f"{one.name}: {changed}\n")

    assert Cause.SPACES in causes(pasted, record.kind)


@given(records, st.data())
def test_a_missing_line_is_named(record: Record, data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(record.values))
    pasted = record.lines().replace(f"{gone.name}: {gone.text}\n", "", 1)

    [only] = held(pasted, record.kind).differences
    assert (only.cause, only.field) == (Cause.MISSING, gone.name)


@given(st.text(max_size=400), st.sampled_from(["", *RecordKind]))
def test_whatever_is_pasted_is_answered(pasted: str, kind: str) -> None:
    found = held(pasted, kind)

    assert found.kind in set(RecordKind)
    assert found.clean or all(one.said for one in found.differences)


@pytest.mark.parametrize(
    ("pasted", "cause", "words"),
    [
        (CONTEXT.replace(OWN, OTHER), Cause.ENVIRONMENT, "This is the Production record"),
        (CONTEXT.replace("sessionId=%CSN%", "sessionId=%CONFERENCEID%"), Cause.TOKEN, "%CONFERENCEID% where"),
        (CONTEXT.replace("%", "%25"), Cause.ENCODED, "encoded as %25"),
        (CONTEXT.replace(";;; ; ;;NONE", ";;; ;;;NONE"), Cause.SPACES, "A space is missing"),
        (f"{APP}/launch/{OWN}/provider".replace("https", "http"), Cause.SCHEME, "http:// in Epic"),
        (f"{APP}/launch/{OWN}/Provider", Cause.CASE, "Upper and lower case"),
        (f"{APP}/launch/{OWN}/providers", Cause.CHARACTERS, "s at character"),
        (f"{APP}/launch/{OWN}/provide", Cause.CHARACTERS, "r is missing"),
    ],
    ids=["environment", "token", "encoded", "spaces", "scheme", "case", "too many", "too few"],
)
def test_the_usual_mistakes_are_called_by_their_names(pasted: str, cause: Cause, words: str) -> None:
    [only] = held(pasted).differences

    assert only.cause is cause
    assert words in only.said


def test_a_group_record_in_a_single_visits_place_is_told() -> None:
    group = record_of(RECORDS, RecordKind.GROUP_PROVIDER)
    assert group is not None

    found = held(group.lines(), "provider")

    assert {one.cause for one in found.differences} >= {Cause.TOKEN}


def test_several_mistakes_in_one_value_are_all_told() -> None:
    pasted = (
        CONTEXT.replace(OWN, OTHER)
        .replace("sessionId=%CSN%", "sessionId=%CONFERENCEID%")
        .replace("csn=", "cns=")
    )

    assert set(causes(pasted)) == {Cause.ENVIRONMENT, Cause.TOKEN, Cause.CHARACTERS}


def test_a_line_under_another_name_is_recognised() -> None:
    pasted = RECORDS[0].lines().replace("Launch URL:", "Launch Url:")

    [only] = held(pasted).differences
    assert (only.cause, only.field) == (Cause.NAME, "Launch URL")


def test_the_pieces_show_both_sides_whole() -> None:
    pasted = CONTEXT.replace("csn=%CSN%", "csn=%CNS%")

    only = held(pasted).differences[0]

    assert "".join(text for text, _ in only.pasted) == pasted
    assert "".join(text for text, _ in only.expected) == CONTEXT
    assert any(differs for _, differs in only.pasted)


def test_long_values_of_a_few_letters_are_told_apart_without_looking_at_every_pair() -> None:
    # A site's own value may be of such a kind. Letter by letter, one of full length takes minutes.
    wanted, pasted = "start" + "ab" * 400 + "end", "start" + "ba" * 300 + "end"

    theirs, ours = marked(pasted, wanted)

    assert theirs == (("start", False), ("ba" * 300, True), ("end", False))
    assert ours == (("start", False), ("ab" * 400, True), ("end", False))


@given(st.text("ab", max_size=400), st.text("ab", max_size=400))
def test_the_steps_between_two_texts_leave_nothing_out(text: str, wanted: str) -> None:
    theirs, ours = marked(text, wanted)

    assert "".join(piece for piece, _ in theirs) == text
    assert "".join(piece for piece, _ in ours) == wanted
    assert [piece for piece, differs in theirs if not differs] == [
        piece for piece, differs in ours if not differs
    ]


def test_prose_and_enormous_pastes_are_answered_quickly() -> None:
    held("word: " * 4000)
    found = held("x" * 20_000)

    assert found.differences[0].cause is Cause.TOO_LONG

"""What is read from scheduling messages, with the habits and slips that real feeds have."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.domain.appointment import Event
from shared.domain.environment import Feed, FeedStatus
from shared.domain.phone_number import PhoneNumber
from shared.hl7v2.scheduling import Ignored, Unreadable
from tests.hl7v2.siu import FEED, START, read, read_raw, siu, text


def test_an_ordinary_booking_is_read_whole() -> None:
    booked = siu(feed=replace(FEED, external_id_type="WPR"))

    assert booked.event is Event.BOOKED
    assert booked.sent_at == datetime(2030, 6, 1, 14, 15, tzinfo=UTC)
    assert (booked.csn, booked.aliases) == ("360001", ("360001",))
    assert (booked.starts_at, booked.zone, booked.doubtful_time) == (START, "America/New_York", "")
    assert booked.minutes == 30
    assert (booked.by_video, booked.confidential, booked.deceased) == (True, False, False)
    assert (booked.department, booked.providers, booked.language) == ("D10", ("P77",), "en")
    assert booked.phone == PhoneNumber("+12065550142")
    assert (booked.patient, booked.external_id) == ("M100", "E200")


# --- events --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", list(Event))
def test_every_event_that_changes_a_visit_is_read(event: Event) -> None:
    assert siu(event.value).event is event


@pytest.mark.parametrize("event", ["S16", "S18", "S23", "S24", "Z02", "A01"])
def test_any_other_scheduling_event_is_ignored_with_a_reason(event: str) -> None:
    assert read_raw(text(event).encode()) == Ignored("not one of the events S12, S13, S14, S15, S17 and S26")


@pytest.mark.parametrize("kind", ["ADT^A01", "SRM^S01", "ORU^R01", "ACK^S12"])
def test_messages_of_other_kinds_are_ignored(kind: str) -> None:
    assert read_raw(text(MSH={9: kind}).encode()) == Ignored("not a scheduling message (SIU)")


@pytest.mark.parametrize("kind", ["SIU^S15", "SIU^S15^SIU_S12", "SIU^S15^SIU_S14", "siu^s15"])
def test_two_components_or_three_in_the_event_mean_the_same(kind: str) -> None:
    assert read(text(MSH={9: kind})).event is Event.CANCELLED


@pytest.mark.parametrize(
    ("event", "status"),
    [("S15", "Booked^Booked^HL70278"), ("S26", "Cancelled"), ("S12", "3^CANCELED"), ("S14", "2")],
)
def test_the_trigger_event_decides_whatever_the_status_says(event: str, status: str) -> None:
    assert siu(event, SCH={25: status, 17: "Cancelled", 27: "Booked"}).event.value == event


STATUSES = {
    "X": FeedStatus.CANCELLED,
    "NS": FeedStatus.NO_SHOW,
    "ARR": FeedStatus.ARRIVED,
    "HOLD": FeedStatus.IGNORE,
}


@pytest.mark.parametrize(
    ("event", "status", "means"),
    [
        ("S14", "x^Cancelled by clinic", Event.CANCELLED),
        ("S14", "9^NS", Event.NO_SHOW),
        ("S12", "ARR", Event.BOOKED),
        ("S14", "unknown", Event.CHANGED),
        ("S15", "ARR", Event.CANCELLED),
        ("S26", "X", Event.NO_SHOW),
    ],
)
def test_a_sites_own_status_ends_what_the_event_leaves_standing(
    event: str, status: str, means: Event
) -> None:
    feed = replace(FEED, statuses=STATUSES)

    assert read(text(event, SCH={25: status}), feed).event is means


def test_a_status_can_mean_that_the_message_is_none_of_ours() -> None:
    found = read_raw(text("S14", SCH={25: "HOLD"}).encode(), replace(FEED, statuses=STATUSES))

    assert found == Ignored("a status that this environment ignores")


def test_segments_nobody_expected_change_nothing() -> None:
    extra = (
        ("EVN", {1: "S12"}),
        ("ZCH", {1: "x"}),
        ("OBX", {1: "1", 5: "a^b~c&d"}),
        ("NTE", {3: "clinical"}),
    )
    assert replace(siu(more=extra), dedupe_key="") == replace(siu(), dedupe_key="")


# --- which appointment ---------------------------------------------------------------------------------------


def test_the_csn_is_the_first_component_trimmed_and_keeps_its_zeros() -> None:
    assert siu(PV1={19: " 00360001 ^^^LAMNA^CSN"}).csn == "00360001"


def test_every_id_of_the_appointment_is_an_alias() -> None:
    moved = siu("S13", SCH={1: "360002^EPIC", 2: "360001^EPIC"}, PV1={19: "360003"})
    assert moved.aliases == ("360003", "360001", "360002")


def test_the_set_id_that_some_sites_send_in_sch_1_is_no_alias() -> None:
    assert siu(SCH={1: "1", 2: "360001"}).aliases == ("360001",)


@pytest.mark.parametrize("empty", ["", '""'])
def test_an_empty_sch_1_is_no_alias(empty: str) -> None:
    assert siu(SCH={1: empty}).aliases == ("360001",)


def test_a_booking_without_a_csn_is_parked() -> None:
    with pytest.raises(Unreadable) as parked:
        siu(PV1={17: "360001", 19: ""})
    assert (parked.value.field, str(parked.value)) == ("PV1-19", "PV1-19 holds no contact serial number")


def test_a_cancellation_without_pv1_is_known_by_its_other_id() -> None:
    cancelled = siu("S15", without=("PV1",), SCH={1: "360002", 2: "360001"})
    assert (cancelled.csn, cancelled.aliases) == ("", ("360001", "360002"))


def test_a_cancellation_that_names_nothing_is_parked() -> None:
    with pytest.raises(Unreadable, match="PV1-19"):
        siu("S15", without=("PV1",), SCH={1: "1", 2: ""})


def test_a_csn_too_long_to_be_one_is_parked() -> None:
    with pytest.raises(Unreadable, match="PV1-19 is not a contact serial number"):
        siu(PV1={19: "9" * 65})


# --- start ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "timing",
    [
        "^^^203006111115",
        "^^^20300611111500",
        "^^^2030061111150000",
        "^^^20300611111500.0000",
        "^^^203006111115   ",
        "^^^203006111115~^^^203006121115",
        "203006111115",
        "^^^20300611111500-0400",
        "^^^20300611171500+0200",
        "^^^20300611173000+0215",
        "^^^20300611151500Z",
    ],
)
def test_the_start_is_read_however_it_is_written(timing: str) -> None:
    assert siu(SCH={11: timing}).starts_at == START


def test_ten_digits_are_a_full_hour() -> None:
    assert siu(SCH={11: "^^^2030061111"}).starts_at == START.replace(minute=0)


@pytest.mark.parametrize("place", ["TQ1", "AIS-4", "AIS-6"])
def test_a_start_outside_sch_is_found(place: str) -> None:
    if place == "TQ1":
        found = siu(SCH={11: ""}, more=(("TQ1", {1: "1", 7: "203006111115"}),))
    else:
        found = siu(SCH={11: ""}, AIS={int(place[-1]): "203006111115"})
    assert found.starts_at == START


def test_the_schedule_wins_over_other_places() -> None:
    found = siu(
        AIS={4: "203006081115"}, AIP={6: "203006091115"}, more=(("TQ1", {1: "1", 7: "203006101115"}),)
    )
    assert found.starts_at == START


def test_the_start_of_a_person_or_room_is_never_the_start_of_the_visit() -> None:
    with pytest.raises(Unreadable, match=r"SCH-11\.4 holds no start time"):
        siu(SCH={11: ""}, AIP={6: "203006111115"}, more=(("AIL", {1: "1", 6: "203006111115"}),))


@pytest.mark.parametrize("event", ["S15", "S17", "S26"])
@pytest.mark.parametrize("start", ["", '^^^""', "^^^...", "^^^20300611"])
def test_what_ends_an_appointment_needs_no_start(event: str, start: str) -> None:
    assert siu(event, SCH={11: start}).starts_at is None


def test_a_change_may_leave_the_start_out() -> None:
    assert siu("S14", SCH={11: ""}).starts_at is None


@pytest.mark.parametrize("event", ["S12", "S13"])
def test_a_booking_without_a_start_is_parked(event: str) -> None:
    with pytest.raises(Unreadable, match=r"SCH-11\.4 holds no start time"):
        siu(event, SCH={11: '^^^""'})


@pytest.mark.parametrize(
    ("start", "problem"),
    [
        ("...", "is not a time"),
        ("tomorrow", "is not a time"),
        ("203013111115", "calendar"),
        ("203002301115", "calendar"),
        ("203006112515", "calendar"),
        ("000106111115", "year"),
        ("203006111115+2500", "offset"),
    ],
)
def test_a_start_that_is_no_time_is_parked_and_not_repeated(start: str, problem: str) -> None:
    with pytest.raises(Unreadable, match=problem) as parked:
        siu(SCH={11: f"^^^{start}"})
    assert parked.value.field == "SCH-11.4"
    assert start not in str(parked.value)


def test_a_day_without_a_time_of_day_is_parked() -> None:
    with pytest.raises(Unreadable, match=r"SCH-11\.4 names a day without a time of day"):
        siu(SCH={11: "^^^20300611"})


def test_a_day_in_sch_gives_way_to_a_time_in_ais() -> None:
    assert siu(SCH={11: "^^^20300611"}, AIS={4: "203006111115"}).starts_at == START


def test_an_environment_with_an_unknown_zone_parks_its_messages() -> None:
    with pytest.raises(Unreadable, match="time zone of this environment"):
        siu(feed=Feed(zone="Mars/Olympus"))


# --- duration ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "unit", "minutes"),
    [
        ("30", "MIN", 30),
        ("30", "MINUTES", 30),
        ("30", "MIN^Minutes", 30),
        ("30", "^Minutes", 30),
        ("30", "m", 30),
        ("30", "M", 30),
        ("30.0", "min", 30),
        ("30", "", 30),
        ("3420", "S", 57),
        ("3420", "s", 57),
        ("1", "H", 60),
        ("0.5", "HR", 30),
    ],
)
def test_a_duration_is_read_in_the_units_that_sites_write(amount: str, unit: str, minutes: int) -> None:
    assert siu(SCH={9: amount, 10: unit}).minutes == minutes


@pytest.mark.parametrize(
    ("amount", "unit"),
    [
        ("0", "MIN"),
        ("", "MIN"),
        ('""', '""'),
        ("30", "FORTNIGHT"),
        ("x", "MIN"),
        ("-5", "MIN"),
        ("99999", "MIN"),
    ],
)
def test_a_duration_that_says_nothing_gives_way_to_the_service(amount: str, unit: str) -> None:
    assert siu(SCH={9: amount, 10: unit}, AIS={7: "20", 8: "MIN"}).minutes == 20
    assert siu(SCH={9: amount, 10: unit}, AIS={7: "", 8: ""}).minutes is None


def test_the_end_in_sch_11_wins_over_the_duration_in_sch_9() -> None:
    assert siu(SCH={9: "30", 10: "MIN", 11: "^^^203006111115^203006111200"}).minutes == 45


@pytest.mark.parametrize("end", ["203006111115", "203006111000", "20300611", "...", "203006121300"])
def test_an_end_that_cannot_be_meant_counts_for_nothing(end: str) -> None:
    assert siu(SCH={9: "30", 11: f"^^^203006111115^{end}"}).minutes == 30


# --- by video ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listed", ["vv", "VIDEO VISIT", "video visit "])
@pytest.mark.parametrize("place", ["SCH-7", "SCH-8", "AIS-3"])
def test_a_visit_type_that_is_listed_makes_a_visit_by_video(listed: str, place: str) -> None:
    name, number = place.split("-")
    changes = {"SCH": {7: "OV^OFFICE", 8: "OV^OFFICE"}, "AIS": {3: "OV^OFFICE"}}
    changes[name] = {**changes[name], int(number): "VV^Video Visit"}
    feed = replace(FEED, video_visit_types=frozenset({listed, "other"}))

    assert siu(feed=feed, SCH=changes["SCH"], AIS=changes["AIS"]).by_video
    assert not siu(feed=feed, SCH={7: "OV^OFFICE", 8: "OV^OFFICE"}, AIS={3: "OV^OFFICE"}).by_video


@pytest.mark.parametrize(
    ("sender", "by_video"),
    [
        ("EPIC^SIU_GENERIC", True),
        ("SIU_GENERIC", True),
        ("epic^siu_generic", True),
        ("EPIC^SIU_OTHER", False),
    ],
)
def test_only_listed_senders_book_visits_by_video(sender: str, by_video: bool) -> None:
    feed = replace(FEED, sending_applications=frozenset({"SIU_GENERIC"}))
    assert siu(feed=feed, MSH={3: sender}).by_video is by_video


def test_surgery_is_never_by_video() -> None:
    assert not siu(MSH={3: "EPIC^SIU_SURGICAL_UDP"}).by_video
    assert not siu(more=(("ZCS", {1: "1", 2: "BEFORE", 3: "900"}),)).by_video


def test_a_room_alone_does_not_make_a_visit_surgery() -> None:
    assert siu(more=(("AIL", {1: "1", 2: "A", 3: "D10^^^LAMNA"}),)).by_video


# --- who is never texted -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "confidential"), [("Yes", True), ("Y", True), ("yes", True), ("No", False), ("", False)]
)
def test_zpl_3_makes_an_appointment_confidential(said: str, confidential: bool) -> None:
    assert siu(ZPL={3: said}).confidential is confidential


@pytest.mark.parametrize(
    ("indicator", "date", "deceased"),
    [
        ("Y", "", True),
        ("YES", "", True),
        ("N", "", False),
        ("", "", False),
        ("", "20300101", True),
        ('""', '""', False),
    ],
)
def test_a_deceased_patient_is_told_by_pid_30_or_a_date_of_death(
    indicator: str, date: str, deceased: bool
) -> None:
    assert siu(PID={29: date, 30: indicator}).deceased is deceased


def test_no_patient_segment_at_all_is_an_appointment_without_a_number() -> None:
    found = siu(without=("PID",))
    assert (found.phone, found.patient, found.external_id, found.language) == (None, "", "", "")
    assert found.csn == "360001"


def test_an_external_id_is_taken_only_from_the_type_that_was_configured() -> None:
    feed = replace(FEED, external_id_type="wpr")
    assert siu(feed=feed).external_id == "E200"
    assert siu(feed=feed, PID={3: "M100^^^LAMNA^MRN"}).external_id == ""
    assert siu().external_id == ""


# --- department and clinicians -------------------------------------------------------------------------------


def _slots(*groups: tuple[str, str, str]) -> str:
    """A message whose resource groups have these actions, departments and starts."""
    base = text(without=("RGS", "AIS", "AIP"), SCH={11: ""})
    return base + "".join(
        f"RGS||{action}|{department}\rAIS|1|{action}|VV|{start}\rAIP|1|{action}|P-{department}\r"
        for action, department, start in groups
    )


def test_a_group_that_deletes_the_old_slot_is_passed_over() -> None:
    found = read(_slots(("D", "D1", "203006051115"), ("A", "D2", "203006111115")))
    assert (found.department, found.starts_at, found.providers) == ("D2", START, ("P-D2", "P77"))


def test_an_added_group_wins_over_an_unchanged_one() -> None:
    assert read(_slots(("U", "D1", "203006111115"), ("A", "D2", "203006111115"))).department == "D2"


def test_when_every_group_is_deleted_nothing_of_them_counts() -> None:
    message = _slots(("D", "D1", "203006111115")).replace("SIU^S12", "SIU^S14")
    found = read(message)
    assert (found.department, found.starts_at) == ("", None)


def test_resources_count_where_a_feed_sends_no_groups() -> None:
    found = siu(without=("RGS",), SCH={11: ""}, AIS={4: "203006111115"})
    assert (found.starts_at, found.providers) == (START, ("P77",))


def test_the_department_is_the_room_when_no_group_names_it_and_never_pv1() -> None:
    room = (("AIL", {1: "1", 2: "A", 3: "D30^ROOM 1"}),)
    assert siu(RGS={3: ""}, more=room).department == "D30"
    assert siu(RGS={3: ""}).department == ""


def test_clinicians_are_all_their_ids_without_repeats() -> None:
    found = siu(
        AIP={3: "E5^CARTER^^^^^^^PERID~P77^CARTER^^^^^^^PROVID~1999999984^^^^^^^^NPI"},
        PV1={7: "P77^CARTER~P78^REYES"},
        more=(
            ("AIG", {1: "1", 2: "A", 3: "P79^COVER", 4: "1^PROVIDER"}),
            ("AIG", {1: "2", 2: "A", 3: "P80^COVER", 4: "PROV"}),
            ("AIG", {1: "3", 2: "A", 3: "R1^ROOM", 4: "2^ROOM"}),
            ("AIG", {1: "4", 2: "D", 3: "P81^GONE", 4: "1"}),
        ),
    )
    assert found.providers == ("E5", "P77", "1999999984", "P79", "P80", "P78")


# --- nulls, escapes, other delimiters, line ends -------------------------------------------------------------


def test_nulls_are_read_as_nothing() -> None:
    found = siu(
        "S14",
        SCH={9: '""', 11: '""'},
        PID={13: '""', 15: '""', 30: '""'},
        RGS={3: '""'},
        AIS={7: '""'},
        AIP={3: '""'},
        PV1={7: '""'},
        ZPL={3: '""'},
    )
    assert (found.starts_at, found.minutes, found.phone) == (None, None, None)
    assert (found.language, found.department, found.providers) == ("", "", ())
    assert (found.confidential, found.deceased) == (False, False)


def test_escapes_in_what_is_read_are_resolved() -> None:
    found = siu(RGS={3: "D\\T\\10\\X2D\\A^x"}, PV1={19: "36\\S\\1"})
    assert (found.department, found.csn) == ("D&10-A", "36^1")


def test_other_delimiters_are_honoured() -> None:
    plain = text()
    swapped = plain.replace("|^~\\&|", "#*!?@#").replace("|", "#").replace("^", "*").replace("~", "!")
    assert replace(read(swapped), dedupe_key="") == replace(read(plain), dedupe_key="")


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"], ids=["CR", "LF", "CRLF"])
def test_line_ends_of_any_kind_end_segments(end: str) -> None:
    assert replace(read(text(end=end)), dedupe_key="") == replace(read(text()), dedupe_key="")


def test_a_note_in_which_someone_pressed_enter_does_not_break_the_message() -> None:
    note = (("NTE", {1: "1", 3: "first line\nsecond line\n\nPlease call\rME"}),)
    assert replace(siu(more=note), dedupe_key="") == replace(siu(), dedupe_key="")


@pytest.mark.parametrize(
    ("declared", "charset", "codec"),
    [
        ("", None, "utf-8"),
        ("UNICODE UTF-8", None, "utf-8"),
        ("UTF-8", None, "utf-8"),
        ("8859/1", None, "iso8859-1"),
        ("8859/1", "utf-8", "utf-8"),
        ("", None, "iso8859-1"),
        ("ASCII", "iso-8859-1", "iso8859-1"),
        ("BIG-5", None, "big5"),
        ("", "windows-1252", "cp1252"),
    ],
)
def test_names_in_other_alphabets_do_not_stop_a_message(
    declared: str, charset: str | None, codec: str
) -> None:
    name = "林^小華" if codec == "big5" else "Þórsdóttir^Jórunn"
    raw = text(MSH={18: declared}, PID={5: name}).encode(codec)
    found = read_raw(raw, charset=charset)
    assert not isinstance(found, Ignored)
    assert found.phone == PhoneNumber("+12065550142")


def test_what_cannot_be_read_never_shows_in_the_reason() -> None:
    with pytest.raises(Unreadable) as parked:
        siu(SCH={11: "^^^EXAMPLE ANN 2065550142"})
    assert "EXAMPLE" not in str(parked.value) + repr(parked.value)

"""Sandbox Epic that starts again in the same folder remembers its schedule and gives no number twice."""

from pathlib import Path

from tests.sandbox.epic_stage import stage


async def test_the_schedule_and_its_numbers_outlive_a_restart(tmp_path: Path) -> None:
    async with stage(tmp_path) as epic:
        first = epic.desk.book(patient="mei", kind="in-person", comment="Bring your list")
        moved = epic.desk.reschedule(first.booking.csn, start=epic.now[0])
        kept = moved.booking

    async with stage(tmp_path) as epic:
        (booking,) = epic.instance.schedule.bookings
        later = epic.desk.book()

    assert booking == kept
    assert later.booking.csn not in (booking.csn, *booking.previous_csns)
    assert later.control_id not in (first.control_id, moved.control_id)


async def test_a_new_folder_starts_empty(tmp_path: Path) -> None:
    async with stage(tmp_path) as epic:
        assert [one.schedule.bookings for one in epic.state.instances.values()] == [[], []]

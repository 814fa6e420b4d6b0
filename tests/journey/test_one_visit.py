"""One visit through the whole product: real HTTP, real queues, real timers, real storage."""

import pytest

from tests.journey.product import play

pytestmark = [pytest.mark.journey, pytest.mark.timeout(330)]


def test_every_step_of_a_visit_is_observed_from_outside(azurite: str) -> None:
    run = play()

    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    assert [line.split()[1] for line in run.stdout.splitlines() if line.startswith("ok  ")] == [
        str(number) for number in range(10)
    ]


def test_busy_services_and_a_lost_notification_change_nothing_for_patient_or_epic(azurite: str) -> None:
    run = play("--trouble", "throttle")

    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]

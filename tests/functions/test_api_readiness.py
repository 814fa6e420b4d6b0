"""The API's readiness check: an administrator sees every check of their own environment, and nobody else does."""

import json
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.errors import TryAgain
from shared.domain.geography import Geography
from shared.domain.sign_of_life import SignKind
from shared.domain.tenant import Person
from tests.fakes.hospital import AVERY, DANA, ENVIRONMENT, LENA, PRIYA, RILEY, TENANT, Hospital

PATH = f"/api/v1/environments/{ENVIRONMENT}/readiness"


async def ask(hospital: Hospital, who: Person, path: str = PATH) -> tuple[int, dict[str, Any]]:
    answer = await hospital.app.get(path, {"Authorization": f"Bearer {who.object_id}"})
    found: dict[str, Any] = json.loads(answer.get_body())
    return answer.status_code, found


async def test_an_administrator_sees_every_check_and_the_worst_of_them() -> None:
    hospital = Hospital()
    signs = hospital.services.signs(TENANT, ENVIRONMENT)
    await signs.note(SignKind.MESSAGE, at=hospital.clock())
    await signs.note(SignKind.PROVIDER, at=hospital.clock())
    hospital.watchers.pinned_to = Geography.EMEA
    status, found = await ask(hospital, AVERY)
    checks = {one["id"]: one for one in found["checks"]}

    assert (status, found["state"]) == (200, "problem")
    assert {one["environment"] for one in found["checks"]} == {"", ENVIRONMENT}
    assert checks["graph-permissions"]["observed_by"] == "graph"
    assert checks[f"sender-verification-{ENVIRONMENT}"]["state"] == "configured"
    assert checks["mail"]["state"] == "ok"
    assert checks[f"last-launch-{ENVIRONMENT}"]["state"] == "ok"
    assert checks[f"last-message-{ENVIRONMENT}"]["state"] == "ok"
    assert checks["geography"]["what_to_do"]


async def test_what_is_missing_comes_with_lines_to_paste() -> None:
    hospital = Hospital()
    hospital.watchers.mail.allowed = False
    _, found = await ask(hospital, AVERY)
    (mail,) = (one for one in found["checks"] if one["id"] == "mail")

    assert mail["commands"][0] == "Connect-ExchangeOnline"


async def test_a_service_that_is_away_leaves_the_others_seen() -> None:
    hospital = Hospital()
    hospital.watchers.microsoft.fail(TryAgain("busy"), times=50)
    hospital.watchers.graph_clock.ahead = timedelta(minutes=9)
    status, found = await ask(hospital, AVERY)
    states = {one["id"]: one["state"] for one in found["checks"]}

    assert status == 200
    assert (states["graph-permissions"], states["graph-clock"], states["region"]) == (
        "unknown",
        "problem",
        "ok",
    )


@pytest.mark.parametrize("who", [PRIYA, RILEY, DANA], ids=["approver", "report reader", "no role"])
async def test_nobody_else_is_shown_what_is_missing(who: Person) -> None:
    assert (await ask(Hospital(), who))[0] == 403


async def test_an_environment_of_somebody_else_is_not_looked_at() -> None:
    status, _ = await ask(Hospital(), AVERY, "/api/v1/environments/env-9/readiness")

    assert status == 404
    assert (await ask(Hospital(), LENA))[0] == 421

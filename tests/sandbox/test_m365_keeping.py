"""A sandbox that keeps finds its meetings, watches, numbers and opt-outs again; people have to join anew."""

from pathlib import Path

from tests.sandbox.m365_stage import VISITS, stage

PATIENT = "+12065550142"
LOBBY = {"scope": "invited"}


async def test_what_the_app_remembers_is_still_there_after_a_restart(tmp_path: Path) -> None:
    async with stage(tmp_path, keep=True) as first:
        made = await first.meeting(lobbyBypassSettings=LOBBY)
        watch = await first.subscribe(made)
        await first.join(made, "Elena Ruiz")
        await first.browser.post("/api/phone-numbers", json={"number": "+18335550177"})
        stop = {"from": PATIENT, "to": "+18335550142", "message": "STOP"}
        await first.browser.post("/api/texts/reply", json=stop)

    async with stage(tmp_path, keep=True) as second:
        again = await second.meeting()
        read = (await second.graph("GET", f"/users/{VISITS}/onlineMeetings/{made['id']}")).json()
        people = (await second.browser.get("/api/meetings")).json()[0]["participants"]
        await second.join(made, "Elena Ruiz")
        await second.text(to=PATIENT)
        await second.text(**{"from": "+18335550177"})
        await second.world.settled()
        texts = (await second.browser.get("/api/texts")).json()

    assert again["id"] == made["id"]
    assert read["joinWebUrl"] == made["joinWebUrl"]
    assert read["lobbyBypassSettings"] == LOBBY
    assert people == []
    assert [body["value"][0]["subscriptionId"] for _, body in second.app.received] == [watch["id"]]
    assert [one["state"] for one in texts] == ["failed", "delivered"]


async def test_a_sandbox_that_does_not_keep_starts_anew(tmp_path: Path) -> None:
    async with stage(tmp_path) as first:
        await first.meeting()
    async with stage(tmp_path) as second:
        assert (await second.browser.get("/api/meetings")).json() == []

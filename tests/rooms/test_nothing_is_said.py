"""Invented people are planted in every input of the app, and none of them may appear in a log or an error."""

import json
import logging
from datetime import timedelta

import azure.functions as func
import pytest

from shared.domain.errors import MayHaveHappened, TryAgain, TurnedDown
from tests.fakes.hospital import AVERY, ENVIRONMENT, Hospital
from tests.functions.test_visit_launch import CONTEXT, SENT, comes_back, cookie_of, launch_path
from tests.hl7v2.siu import START, text

NUMBER, NAME, SECRET = "2065550187", "ZEBEDEE", "planted-secret-token"
PLANTED = (NUMBER, NUMBER[3:], "(206)555-0187", NAME, NAME.lower(), SECRET)

PATHS = (
    ("POST", "/hl7v2/{p}"),
    ("POST", f"/hl7v2/{ENVIRONMENT}"),
    ("GET", "/launch/{p}/provider?iss={p}&launch={p}"),
    ("GET", f"/launch/{ENVIRONMENT}/provider?iss={{p}}&launch={{p}}"),
    ("GET", f"/launch/{ENVIRONMENT}/{{p}}?iss={{p}}"),
    ("GET", "/launch/callback?state={p}&code={p}&error={p}"),
    ("GET", "/v/{p}?lang={p}"),
    ("POST", "/v/{p}/join?lang={p}"),
    ("GET", "/v/{p}/waiting?go={p}"),
    ("GET", "/visit/{p}"),
    ("GET", "/visit/{p}/live"),
    ("POST", "/graph/notifications"),
    ("POST", "/graph/lifecycle"),
    ("GET", "/keys/{p}/{p}/jwks.json"),
    ("GET", "/keys/{p}/{p}/.well-known/jwks.json"),
    ("GET", f"/keys/{ENVIRONMENT}/{{p}}/jwks.json"),
    ("GET", "/static/{p}"),
    ("POST", "/api/v1/tenant"),
    ("POST", "/api/v1/environments"),
    ("GET", "/api/v1/environments/{p}"),
    ("PUT", "/api/v1/environments/{p}/connection"),
    ("PUT", "/api/v1/environments/{p}/operation"),
    ("POST", "/api/v1/environments/{p}/certificates"),
    ("POST", "/api/v1/environments/{p}/submission"),
    ("POST", "/api/v1/environments/{p}/decision"),
    ("GET", "/api/v1/environments/{p}/messages"),
    ("GET", f"/api/v1/environments/{ENVIRONMENT}/appointments/{{p}}"),
    ("GET", "/api/v1/audit/{p}"),
)


def planted_in(words: str) -> list[str]:
    return [sign for sign in PLANTED if sign in words]


def written(caplog: pytest.LogCaptureFixture) -> str:
    """Everything the app logged, with tracebacks; of the test's own loop nothing."""
    ours = [one for one in caplog.records if not one.name.startswith(("asyncio", "hypothesis"))]
    return "\n".join(
        [*(logging.Formatter().format(one) for one in ours), *(repr(one.__dict__) for one in ours)]
    )


@pytest.mark.parametrize(("method", "path"), PATHS, ids=lambda value: str(value))
@pytest.mark.parametrize("sign", [NUMBER, NAME, SECRET])
async def test_no_error_and_no_log_repeats_what_was_sent(
    method: str, path: str, sign: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hospital = Hospital()
    bodies = (
        sign.encode(),
        json.dumps({"value": [{"clientState": sign}], "validationTokens": [sign]}).encode(),
        json.dumps(
            {"kind": sign, "geography": sign, "pem": sign, "decision": sign, "version": sign}
        ).encode(),
        json.dumps({"connection": {"fhir_base_url": sign}, "operation": {"phone": sign}}).encode(),
        text("S12", MSH={7: sign}, PID={5: sign, 13: sign}).encode(),
    )
    headers = {
        "HL7-Signature": sign,
        "Cookie": f"launch={sign}; visit={sign}; {sign}",
        "If-None-Match": sign,
        "Accept-Language": sign,
        "Content-Encoding": "",
    }
    answers: list[func.HttpResponse] = []
    for body in bodies:
        for bearer in (sign, AVERY.object_id):
            known = {**headers, "Authorization": f"Bearer {bearer}"}
            answers.append(await hospital.app.ask(method, path.format(p=sign), body, known))

    for answer in answers:
        assert not planted_in(answer.get_body().decode(errors="replace")), answer.status_code
    assert not planted_in(written(caplog))


async def test_a_whole_visit_with_every_trouble_logs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    hospital = Hospital()
    ann = {5: f"{NAME}^ANN", 13: "(206)555-0187^P^CP^^1^206^5550187"}
    for error in (TryAgain("away"), TurnedDown("no", code="4000"), MayHaveHappened("no answer")):
        hospital.carrier.fail(error)
    await hospital.feed(text("S12", PID=ann))
    await hospital.work_off()
    await hospital.feed(
        text("S13", MSH={7: "20300601101600", 10: "2"}, PID=ann, SCH={11: "^^30^203006111200"})
    )
    await hospital.work_off()
    unreadable = text("S12", MSH={10: "3"}, PID=ann, SCH={1: "", 2: ""}, PV1={19: ""})
    await hospital.feed(unreadable)
    report = {
        "tag": hospital.carrier.repeat_ids[0],
        "deliveryStatus": "Failed",
        "deliveryStatusDetails": NUMBER,
    }
    event = {"eventType": "Microsoft.Communication.SMSDeliveryReportReceived", "data": report}
    await hospital.app.queue("note_delivery", json.dumps({**event, "subject": NUMBER}))
    await hospital.app.queue("park_text", json.dumps({"to": NUMBER, "body": NAME}))
    hospital.clock.set(START)
    link = await hospital.link()
    await hospital.app.post(f"{link}/join")
    hospital.smart.contexts[SENT[1]] = CONTEXT
    landed = await comes_back(hospital, await hospital.app.get(launch_path()))
    await hospital.app.get(str(landed.headers["Location"]), {"Cookie": cookie_of(landed)})
    await hospital.until(START + timedelta(hours=6))

    said = written(caplog)
    assert not planted_in(said)
    assert link.removeprefix("/v/") not in said
    assert cookie_of(landed).partition("=")[2] not in said
    assert hospital.appointment().phone is None


async def test_portal_answers_repeat_no_value_that_was_wrong() -> None:
    hospital = Hospital()
    wrong = {
        "kind": NAME,
        "connection": {"fhir_base_url": f"https://{NAME}.example", "clients": {}, "approvers": []},
        "operation": {
            "organization": f"<{NAME}>",
            "phone": "",
            "feed": {"zone": NAME},
            "texts": {"only_numbers": [NUMBER]},
        },
    }

    for body in (wrong, {**wrong, "kind": "test"}):
        answer = await hospital.app.post(
            "/api/v1/environments", json.dumps(body), {"Authorization": f"Bearer {AVERY.object_id}"}
        )
        assert answer.status_code == 422
        assert not planted_in(answer.get_body().decode())


async def test_a_certificate_that_is_a_private_key_is_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    pem = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----"

    answer = await Hospital().app.post(
        f"/api/v1/environments/{ENVIRONMENT}/certificates",
        json.dumps({"pem": pem}),
        {"Authorization": f"Bearer {AVERY.object_id}"},
    )

    assert answer.status_code == 422
    assert not planted_in(answer.get_body().decode() + written(caplog))

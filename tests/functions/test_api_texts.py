"""The API looks into certificate files and shows texts as patients would get them."""

import json
from typing import Any

import azure.functions as func
import pytest

from tests.fakes.hospital import AVERY, ENVIRONMENT, PRIYA, TENANT, Hospital
from tests.functions.test_certificate_pages import NEW, PRIVATE, key_of

INSPECT = f"/api/v1/environments/{ENVIRONMENT}/certificates/inspection"
PREVIEW = f"/api/v1/environments/{ENVIRONMENT}/texts/preview"


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}", "Content-Type": "application/json"}


def read(answer: func.HttpResponse) -> Any:
    return json.loads(answer.get_body())


@pytest.fixture
def hospital() -> Hospital:
    return Hospital()


async def test_a_certificate_file_is_described_and_not_kept(hospital: Hospital) -> None:
    before = hospital.stamp.environment_rows.get(TENANT, ENVIRONMENT)

    answer = await hospital.app.post(INSPECT, json.dumps({"pem": NEW.pem}), bearer(AVERY.object_id))

    found = read(answer)
    assert answer.status_code == 200
    assert found["subject"] == found["issuer"] == "CN=Epic Interface 2031"
    assert found["serial"] == f"{NEW.certificate.serial_number:X}"
    assert found["takes_over"] is True
    assert hospital.stamp.environment_rows.get(TENANT, ENVIRONMENT) == before


async def test_a_private_key_is_refused_and_not_repeated(hospital: Hospital) -> None:
    content = NEW.pem + key_of(NEW).decode()

    answer = await hospital.app.post(INSPECT, json.dumps({"pem": content}), bearer(AVERY.object_id))

    assert answer.status_code == 422
    assert read(answer)["errors"] == {"certificate": PRIVATE}
    assert "PRIVATE KEY-----" not in answer.get_body().decode()


async def test_texts_are_shown_with_their_count_in_each_language(hospital: Hospital) -> None:
    answer = read(await hospital.app.get(PREVIEW, bearer(AVERY.object_id)))

    by_language = {one["language"]: one for one in answer["languages"]}
    assert list(by_language) == ["en", "es", "zh-Hant-TW"]
    booked = by_language["en"]["texts"][0]
    assert booked["text"].startswith("Lamna Healthcare: Video visit Sun Jun 2, 2:30 PM EDT.")
    assert (booked["kind"], booked["messages"], booked["on"]) == ("booked", 1, True)
    assert booked["characters"] == len(booked["text"])
    assert by_language["zh-Hant-TW"]["texts"][0]["messages"] == 2


@pytest.mark.parametrize(("method", "path"), [("POST", INSPECT), ("GET", PREVIEW)])
async def test_only_an_administrator_is_answered(hospital: Hospital, method: str, path: str) -> None:
    body = json.dumps({"pem": NEW.pem}).encode() if method == "POST" else b""

    assert (await hospital.app.ask(method, path, body, bearer(PRIYA.object_id))).status_code == 403
    assert (await hospital.app.ask(method, path, body, {})).status_code == 401
    elsewhere = path.replace(ENVIRONMENT, "env-9")
    assert (await hospital.app.ask(method, elsewhere, body, bearer(AVERY.object_id))).status_code == 404

"""The door of the appointment feed: who gets in, what is refused in which words, and what AA promises."""

import gzip

import azure.functions as func
import pytest

from functions.hl7_intake import MOST_BYTES
from shared.domain.environment import EnvironmentId
from shared.domain.errors import TryAgain
from shared.domain.tenant import TenantId
from tests.fakes.hospital import OTHER_TENANT, Hospital, environment
from tests.hl7v2 import cms
from tests.hl7v2.siu import text

BOOKED = text("S12")


def said(answer: func.HttpResponse) -> str:
    return answer.get_body().decode()


def segments(answer: func.HttpResponse) -> dict[str, list[str]]:
    return {line[:3]: line.split("|") for line in said(answer).split("\r") if line}


class TestWhoGetsIn:
    @pytest.mark.parametrize(
        "signature",
        [
            "",
            "nonsense",
            "SHA256withRSA AAAA",
            cms.header(b"another body"),
            cms.header(BOOKED.encode(), [cms.signer(name="Somebody Else")]),
        ],
        ids=["none", "not one", "not base64 of one", "of another body", "of another certificate"],
    )
    async def test_a_message_without_a_good_signature_is_refused_before_it_is_read(
        self, signature: str
    ) -> None:
        hospital = Hospital()

        answer = await hospital.post(BOOKED, HL7_Signature=signature)
        unreadable = await hospital.post(b"\xff\xfe not even HL7", HL7_Signature=signature)

        assert answer.status_code == unreadable.status_code == 401
        assert "EXAMPLE" not in said(answer)
        assert "360001" not in said(answer)
        assert hospital.stamp.queues.hl7v2_messages == []

    async def test_an_unknown_environment_is_404_and_says_where_to_look(self) -> None:
        hospital = Hospital()

        answer = await hospital.app.post(
            "/hl7v2/env-9", BOOKED, {"HL7-Signature": cms.header(BOOKED.encode())}
        )

        assert answer.status_code == 404
        assert "SMS configuration record" in said(answer)
        assert "env-9" not in said(answer)

    async def test_an_environment_that_nobody_approved_is_404(self) -> None:
        hospital = Hospital(environment(approved=False))

        assert (await hospital.post(BOOKED)).status_code == 404

    async def test_a_tenant_that_lives_in_another_stamp_is_shown_its_home(self) -> None:
        hospital = Hospital()
        hospital.put(environment(EnvironmentId("env-2"), tenant=OTHER_TENANT))

        answer = await hospital.app.post(
            "/hl7v2/env-2", BOOKED, {"HL7-Signature": cms.header(BOOKED.encode())}
        )

        assert answer.status_code == 421
        assert answer.headers["X-Home"] == "https://visits-emea.lamna.example"
        assert hospital.stamp.queues.hl7v2_messages == []

    async def test_a_tenant_that_is_not_on_the_list_is_refused(self) -> None:
        hospital = Hospital()
        hospital.put(environment(EnvironmentId("env-3"), tenant=TenantId("nobody-we-know")))

        assert (await hospital.app.post("/hl7v2/env-3", BOOKED)).status_code == 403


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        "body",
        [b"", b"hello", b"MSH|", b"<xml/>", b"FHS|^~\\&|EPIC", (BOOKED + BOOKED).encode(), b"MSH\x00|^~\\&|"],
        ids=["empty", "not HL7", "cut off", "XML", "a batch", "two messages", "UTF-16"],
    )
    async def test_what_is_not_one_message_is_400_in_plain_text(self, body: bytes) -> None:
        hospital = Hospital()

        answer = await hospital.post(body)

        assert answer.status_code == 400
        assert answer.mimetype == "text/plain"
        assert not said(answer).startswith("MSH")
        assert hospital.stamp.queues.hl7v2_messages == []

    async def test_a_charset_that_nobody_knows_is_400(self) -> None:
        answer = await Hospital().post(BOOKED, Content_Type="application/hl7-v2; charset=klingon")

        assert answer.status_code == 400
        assert "klingon" not in said(answer)

    async def test_a_body_in_another_charset_than_it_says_is_400(self) -> None:
        body = text("S12", PID={5: "EXÄMPLE^ANN"}).encode("latin-1")

        assert (await Hospital().post(body)).status_code == 400

    async def test_a_type_that_is_not_hl7_is_415(self) -> None:
        assert (await Hospital().post(BOOKED, Content_Type="application/json")).status_code == 415

    async def test_a_message_over_the_cap_is_413(self) -> None:
        assert (await Hospital().post(b"M" * (MOST_BYTES + 1))).status_code == 413

    async def test_a_small_body_that_grows_past_the_cap_is_413(self) -> None:
        bomb = gzip.compress(BOOKED.encode() + b" " * (64 * MOST_BYTES))

        assert len(bomb) < MOST_BYTES
        assert (await Hospital().post(bomb, Content_Encoding="gzip")).status_code == 413

    @pytest.mark.parametrize(
        "body",
        [b"no gzip", gzip.compress(BOOKED.encode())[:-20], gzip.compress(b"")[:10] + b"\xff" * 40],
        ids=["not gzip", "cut off", "damaged"],
    )
    async def test_a_body_that_cannot_be_unpacked_is_400(self, body: bytes) -> None:
        assert (await Hospital().post(body, Content_Encoding="gzip")).status_code == 400


class TestWhatIsAnswered:
    async def test_a_good_message_is_acknowledged_and_waits_sealed(self) -> None:
        hospital = Hospital()

        answer = await hospital.post(BOOKED)

        assert answer.status_code == 200
        assert segments(answer)["MSA"][1:3] == ["AA", "1001"]
        [waiting] = hospital.stamp.queues.hl7v2_messages
        assert "2065550142" not in waiting.sealed
        assert "EXAMPLE" not in waiting.sealed

    async def test_gzip_and_the_named_charset_are_read(self) -> None:
        hospital = Hospital()
        body = gzip.compress(text("S12", PID={5: "EXÄMPLE^ANN"}).encode("latin-1"))

        answer = await hospital.post(
            body, Content_Encoding="gzip", Content_Type="application/hl7-v2; charset=iso-8859-1"
        )
        await hospital.work_off()

        assert segments(answer)["MSA"][1] == "AA"
        assert answer.headers["Content-Type"] == "application/hl7-v2; charset=iso-8859-1"
        assert hospital.slots() == ["booked-1"]

    @pytest.mark.parametrize("place", [5, 6])
    async def test_a_message_for_another_environment_is_rejected_naming_the_field(self, place: int) -> None:
        hospital = Hospital()

        answer = await hospital.post(text("S12", MSH={place: "VISITCONNECTOR^env-2"}))

        assert answer.status_code == 200
        assert segments(answer)["MSA"][1] == "AR"
        assert f"MSH^1^{place}" in said(answer)
        assert hospital.stamp.queues.hl7v2_messages == []

    async def test_a_message_for_this_environment_by_name_is_accepted(self) -> None:
        answer = await Hospital().post(text("S12", MSH={5: "VISITCONNECTOR^env-1"}))

        assert segments(answer)["MSA"][1] == "AA"

    @pytest.mark.parametrize(
        ("place", "value"),
        [(7, ""), (7, "yesterday"), (9, ""), (10, "")],
        ids=["no time", "bad", "no type", "no id"],
    )
    async def test_an_unusable_header_is_rejected_naming_the_field(self, place: int, value: str) -> None:
        answer = await Hospital().post(text("S12", MSH={place: value}))

        assert segments(answer)["MSA"][1] == "AR"
        assert f"MSH^1^{place}" in said(answer)

    async def test_nothing_is_acknowledged_that_is_not_durable(self) -> None:
        hospital = Hospital()
        hospital.stamp.fail("queues.accept", TryAgain("the queue is away"))

        answer = await hospital.post(BOOKED)

        assert answer.status_code == 503
        assert "MSA" not in said(answer)
        assert segments(await hospital.post(BOOKED))["MSA"][1] == "AA"

    async def test_an_event_that_is_not_ours_is_accepted_and_ignored_with_its_reason(self) -> None:
        hospital = Hospital()

        answer = await hospital.post(text("S12", MSH={9: "ADT^A01"}))
        await hospital.work_off()

        assert segments(answer)["MSA"][1] == "AA"
        [row] = hospital.stamp.inbound_rows.rows.values()
        assert row.value.fate == "ignored"
        assert row.value.reason
        assert hospital.carrier.sent == []

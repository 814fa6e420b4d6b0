"""A certificate is looked at before it is used, waits for approval, and takes over without a gap."""

import html
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes, serialization

from shared.domain.environment import Environment, Stage
from tests.fakes.browser import Browser, text_of
from tests.fakes.hospital import AVERY, ENVIRONMENT, NOW, PRIYA, TENANT, Hospital, environment
from tests.functions.test_sms_pages import hidden, said_on
from tests.hl7v2 import cms
from tests.hl7v2.siu import text

PAGE = f"/setup/sms/{ENVIRONMENT}/certificate"
OLD, NEW = cms.signer(), cms.signer("p-256", "Epic Interface 2031")
NOT_BASE64 = (
    "The file must be a Base64 encoded certificate (.cer). Export it again and choose Base-64 encoded X.509."
)
PRIVATE = (
    "This file contains a private key. Do not upload private keys. Delete this file and create a new key."
)


def kept(hospital: Hospital) -> Environment:
    return hospital.stamp.environment_rows.get(TENANT, ENVIRONMENT).value


def fingerprints(hospital: Hospital) -> list[str]:
    return [one.subject for one in kept(hospital).newest.connection.certificates]


def pem(signer: cms.Signer) -> bytes:
    return signer.pem.encode()


def key_of(signer: cms.Signer) -> bytes:
    return signer.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.fixture
def hospital() -> Hospital:
    return Hospital()


@pytest.fixture
def avery(hospital: Hospital) -> Browser:
    return hospital.browser(AVERY)


async def approve(hospital: Hospital) -> None:
    """Let the analyst approve what is newest."""
    one = kept(hospital)
    waiting = one.submitted(by=AVERY, at=hospital.clock(), connection=one.newest.connection)
    hash = waiting.newest.connection.content_hash()
    hospital.put(waiting.approved(by=PRIYA, at=hospital.clock(), content_hash=hash))
    hospital.clock.set(hospital.clock() + timedelta(seconds=10))


async def answered(hospital: Hospital, signer: cms.Signer, id: str) -> int:
    """How a message that `signer` signed is answered."""
    body = text("S12", MSH={10: id}).encode()
    answer = await hospital.post(body, HL7_Signature=cms.header(body, [signer]))
    return int(answer.status_code)


class TestUpload:
    async def test_shows_what_is_in_the_file_before_anything_is_kept(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        before = kept(hospital)

        answer = await avery.post(PAGE, {"do": "look"}, files={"certificate": pem(NEW)})

        page = said_on(text_of(answer))
        certificate = NEW.certificate
        assert answer.status_code == 200
        assert "CN=Epic Interface 2031" in page
        assert f"{certificate.serial_number:X}" in page
        assert certificate.fingerprint(hashes.SHA256()).hex(":").upper() in page
        assert "May 2, 2030" in page
        assert "May 2, 2031" in page
        assert "Use this certificate" in page
        assert "Old and new certificate are both accepted for 7 days after the approval" in page
        assert kept(hospital) == before

    async def test_is_taken_into_a_draft_that_an_analyst_must_approve(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        looked = text_of(await avery.post(PAGE, {"do": "look"}, files={"certificate": pem(NEW)}))
        carried = re.search(r'name="pem" value="([^"]+)"', looked)
        assert carried

        answer = await avery.post(PAGE, {"pem": html.unescape(carried[1]), "do": "use"})

        assert answer.headers["Location"] == f"{PAGE}?done=used"
        one = kept(hospital)
        assert one.newest.stage is Stage.DRAFT
        assert [(each.subject, each.replaced) for each in one.newest.connection.certificates] == [
            ("Epic Interface", True),
            ("CN=Epic Interface 2031", False),
        ]
        page = said_on(text_of(await avery.get(f"{PAGE}?done=used")))
        assert "It counts once an analyst has approved it." in page
        assert "Not accepted yet" in page

    async def test_says_why_a_file_cannot_be_used(self, hospital: Hospital, avery: Browser) -> None:
        expired = cms.certificate_for(cms.make_key("p-256"), valid_until=NOW - timedelta(days=1))
        early = cms.certificate_for(cms.make_key("p-256"), valid_from=NOW + timedelta(days=3))
        short = cms.certificate_for(cms.make_key("rsa-1024"))
        as_pem = serialization.Encoding.PEM
        files = {
            b"": "Select a certificate file",
            pem(NEW) + b"#" * 16 * 1024: "The file must be smaller than 16 kB",
            b"#" * 300 * 1024: "The file must be smaller than 16 kB",
            b"hello": NOT_BASE64,
            NEW.certificate.public_bytes(serialization.Encoding.DER): NOT_BASE64,
            pem(NEW) + key_of(NEW): PRIVATE,
            expired.public_bytes(as_pem): "This certificate expired on 31 May 2030",
            early.public_bytes(as_pem): "This certificate is not valid until 4 June 2030",
            short.public_bytes(as_pem): "The key is too short. Use RSA 2048 bits or more.",
        }
        before = kept(hospital)
        for content, problem in files.items():
            answer = await avery.post(PAGE, {"do": "look"}, files={"certificate": content})
            assert answer.status_code == 422
            assert f'<a href="#certificate">{html.escape(problem)}</a>' in text_of(answer)
        assert kept(hospital) == before

    async def test_keeps_nothing_of_a_file_with_a_private_key(
        self, hospital: Hospital, avery: Browser, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("DEBUG")
        secret = key_of(NEW).decode().splitlines()[1]

        looked = await avery.post(PAGE, {"do": "look"}, files={"certificate": pem(NEW) + key_of(NEW)})
        used = await avery.post(PAGE, {"do": "use", "pem": (pem(NEW) + key_of(NEW)).decode()})

        assert used.status_code == 422
        for answer in (looked, used):
            assert secret not in text_of(answer)
        assert secret not in caplog.text
        assert fingerprints(hospital) == ["Epic Interface"]

    async def test_is_for_administrators(self, hospital: Hospital) -> None:
        assert (await hospital.browser(PRIYA).get(PAGE)).status_code == 403


class TestOverlap:
    async def test_old_and_new_count_for_seven_days_after_the_approval(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        assert await answered(hospital, OLD, "1") == 200
        assert await answered(hospital, NEW, "2") == 401
        await avery.post(PAGE, {"pem": NEW.pem, "do": "use"})
        assert await answered(hospital, NEW, "3") == 401

        await approve(hospital)
        assert await answered(hospital, OLD, "4") == 200
        assert await answered(hospital, NEW, "5") == 200

        hospital.clock.set(NOW + timedelta(days=7))
        assert await answered(hospital, OLD, "6") == 401
        assert await answered(hospital, NEW, "7") == 200

    async def test_the_last_day_is_shown(self, hospital: Hospital, avery: Browser) -> None:
        await avery.post(PAGE, {"pem": NEW.pem, "do": "use"})
        await approve(hospital)

        assert "Accepted until June 8, 2030, 11:00 AM" in said_on(text_of(await avery.get(PAGE)))

    async def test_a_certificate_out_of_date_counts_no_more(self, hospital: Hospital) -> None:
        hospital.clock.set(NOW + timedelta(days=100))
        assert await answered(hospital, OLD, "1") == 401


class TestRemoving:
    async def test_the_only_one_is_asked_about(self, hospital: Hospital, avery: Browser) -> None:
        fields = {"do": "remove", "fingerprint": "f" * 64}

        asked = text_of(await avery.post(PAGE, fields))

        assert "Appointment messages from Epic will be refused for: Lamna Healthcare (Production)" in said_on(
            asked
        )
        assert fingerprints(hospital) == ["Epic Interface"]
        assert (await avery.post(PAGE, {**hidden(asked), "stop": "keep"})).headers["Location"] == (
            f"{PAGE}?done=kept"
        )
        await avery.post(PAGE, {**hidden(asked), "stop": "stop"})
        assert fingerprints(hospital) == []
        assert await answered(hospital, OLD, "1") == 200  # until the analyst approves

    async def test_one_of_two_is_not(self, hospital: Hospital, avery: Browser) -> None:
        await avery.post(PAGE, {"pem": NEW.pem, "do": "use"})
        added = kept(hospital).newest.connection.certificates[1]

        answer = await avery.post(PAGE, {"do": "remove", "fingerprint": added.fingerprint})

        assert answer.headers["Location"] == f"{PAGE}?done=removed"
        (left,) = kept(hospital).newest.connection.certificates
        assert (left.subject, left.replaced) == ("Epic Interface", False)

    async def test_after_somebody_else_changed_it_starts_over(
        self, hospital: Hospital, avery: Browser
    ) -> None:
        version = hidden(text_of(await avery.get(PAGE)))["version"][0]
        hospital.operate(phone="+12065550199")

        answer = await avery.post(
            PAGE, {"do": "remove", "fingerprint": "f" * 64, "version": version, "stop": "stop"}
        )

        assert answer.status_code == 409
        assert fingerprints(hospital) == ["Epic Interface"]


class TestExpiry:
    @pytest.mark.parametrize(
        ("days", "says"),
        [
            (61, ""),
            (60, "The certificate expires in 60 days."),
            (30, "The certificate expires in 30 days."),
            (7, "The certificate expires in 7 days."),
            (1, "The certificate expires in 1 day."),
            (-1, "The certificate has expired. Appointments are refused."),
        ],
    )
    async def test_is_announced_in_time(self, days: int, says: str) -> None:
        made = environment()
        ending = replace(
            made.newest.connection.certificates[0], valid_until=NOW + timedelta(days=days, minutes=1)
        )
        version = replace(made.newest, connection=replace(made.newest.connection, certificates=(ending,)))
        avery = Hospital(replace(made, newest=version, live=version)).browser(AVERY)

        for address in (PAGE, "/setup/sms"):
            page = said_on(text_of(await avery.get(address)))
            assert says in page
            assert ("expires in" in page or "expired" in page) == bool(says)

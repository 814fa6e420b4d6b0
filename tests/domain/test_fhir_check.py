"""An address for Epic is judged by its writing first, and what was probably meant is worked out from it."""

import pytest

from shared.domain.fhir_check import (
    CheckCode,
    Software,
    corrections,
    epic_finding,
    sign_in_findings,
    version_finding,
    written,
)

GOOD = "https://epic.lamna.example/api/FHIR/R4"


def test_a_good_address_has_nothing_wrong_in_it() -> None:
    assert written(GOOD) == ()


@pytest.mark.parametrize(
    ("url", "code", "sentence"),
    [
        ("", CheckCode.MISSING, "Enter the FHIR base URL"),
        ("epic.lamna.example/api/FHIR/R4", CheckCode.NOT_HTTPS, "FHIR base URL must start with https://"),
        (
            "http://epic.lamna.example/api/FHIR/R4",
            CheckCode.NOT_HTTPS,
            "FHIR base URL must start with https://",
        ),
        ("https://a:b@epic.lamna.example/R4", CheckCode.NOT_HTTPS, "FHIR base URL must start with https://"),
        (f"{GOOD}?x=1", CheckCode.EXTRA_PARTS, "FHIR base URL must not include a question mark or #"),
        (
            "https://epic.lamna.example/api/FHIR/DSTU2",
            CheckCode.DSTU2,
            "FHIR base URL must end with /R4. You entered a DSTU2 address.",
        ),
        (
            "https://epic.lamna.example/api/FHIR/STU3",
            CheckCode.STU3,
            "FHIR base URL must end with /R4. You entered an STU3 address.",
        ),
        ("https://epic.lamna.example/api/FHIR", CheckCode.NOT_R4_ADDRESS, "FHIR base URL must end with /R4"),
        (
            "https://10.0.0.4/api/FHIR/R4",
            CheckCode.PRIVATE,
            "FHIR base URL must be a public internet address",
        ),
        ("https://[::1]/R4", CheckCode.PRIVATE, "FHIR base URL must be a public internet address"),
        ("https://localhost/R4", CheckCode.PRIVATE, "FHIR base URL must be a public internet address"),
        (
            "https://epic.lamna.example:99999/R4",
            CheckCode.NOT_HTTPS,
            "FHIR base URL must start with https://",
        ),
        (
            f"https://{'a' * 500}.example/R4",
            CheckCode.TOO_LONG,
            "FHIR base URL must be 500 characters or fewer",
        ),
    ],
)
def test_what_is_wrong_is_named(url: str, code: CheckCode, sentence: str) -> None:
    findings = {one.code: one.said for one in written(url)}

    assert findings[code] == sentence


def test_a_host_that_settings_allow_may_be_private_and_plain_http() -> None:
    assert written("http://127.0.0.1:8089/epic/test/api/FHIR/R4", private_hosts={"127.0.0.1:8089"}) == ()
    assert written("http://127.0.0.1:8090/epic/test/api/FHIR/R4", private_hosts={"127.0.0.1:8089"})


@pytest.mark.parametrize(
    "pasted",
    [
        f"{GOOD}/metadata",
        f"{GOOD}/metadata?_format=json",
        f"{GOOD}/.well-known/smart-configuration",
        f"{GOOD}/Patient/123",
        "http://epic.lamna.example/api/FHIR/R4",
        "http://epic.lamna.example:80/api/FHIR/R4/",
        "epic.lamna.example/api/FHIR/R4",
        "<https://epic.lamna.example/api/FHIR/R4>",
        "https://EPIC.lamna.example/api/FHIR/DSTU2",
        "https://epic.lamna.example/api/FHIR/DSTU2/metadata",
        "https://epic.lamna.example/api/FHIR/r4",
        "https://epic.lamna.example/api/FHIR",
        "https://epic.lamna.example/api/FHIR/",
        "https://epic.lamna.example/api",
        "https://someone:secret@epic.lamna.example/api/FHIR/R4",
        "https://epic.lamna.example",
    ],
)
def test_the_address_that_was_meant_is_the_first_to_be_tried(pasted: str) -> None:
    assert corrections(pasted)[0] == GOOD


@pytest.mark.parametrize("nonsense", ["", "https://", "https://[", f"https://{'a' * 600}"])
def test_nonsense_leads_to_no_address(nonsense: str) -> None:
    assert corrections(nonsense) == ()


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ("4.0.1", CheckCode.FHIR_FOUND),
        ("1.0.2", CheckCode.DSTU2),
        ("3.0.1", CheckCode.STU3),
        ("5.0.0", CheckCode.NOT_FHIR),
        ("", CheckCode.NOT_FHIR),
    ],
)
def test_the_release_that_the_server_speaks_is_named(version: str, code: CheckCode) -> None:
    assert version_finding(version).code is code
    assert version_finding(version).ok is (code is CheckCode.FHIR_FOUND)


@pytest.mark.parametrize(
    ("software", "code"),
    [
        (Software("Epic", "May 2026", ""), CheckCode.EPIC_NEW_ENOUGH),
        (Software("Epic", "November 2018", ""), CheckCode.EPIC_NEW_ENOUGH),
        (Software("Epic", "August 2018", "2026-01-01"), CheckCode.EPIC_TOO_OLD),
        (Software("Epic", "9.2", "2018-05-01"), CheckCode.EPIC_TOO_OLD),
        (Software("Epic", "9.2", "2024-05-01"), CheckCode.EPIC_NEW_ENOUGH),
        (Software("Epic", "9.2", "soon"), CheckCode.EPIC_NOT_TOLD),
        (Software("Gateway", "May 2026", ""), CheckCode.EPIC_NOT_TOLD),
        (Software(), CheckCode.EPIC_NOT_TOLD),
    ],
)
def test_the_epic_version_is_judged_only_when_the_server_says_enough(
    software: Software, code: CheckCode
) -> None:
    assert epic_finding(software).code is code


def endpoints(**changes: str) -> dict[str, str]:
    oauth = "https://epic.lamna.example/oauth2"
    return {
        "authorize_url": f"{oauth}/authorize",
        "token_url": f"{oauth}/token",
        "issuer": oauth,
        "keys_url": f"{oauth}/jwks",
        **changes,
    }


def test_sign_in_on_the_same_host_is_good() -> None:
    assert [one.code for one in sign_in_findings(GOOD, endpoints())] == [CheckCode.SIGN_IN_FOUND]


def test_sign_in_on_another_host_is_named_but_may_be_meant() -> None:
    there = {name: url.replace("epic.", "login.") for name, url in endpoints().items()}

    findings = sign_in_findings(GOOD, there)

    assert all(one.ok for one in findings)
    assert findings[1].code is CheckCode.SIGN_IN_ELSEWHERE
    assert findings[1].said.values == {"hosts": "login.lamna.example"}


def test_an_issuer_on_another_host_than_the_token_address_is_wrong() -> None:
    findings = sign_in_findings(GOOD, endpoints(issuer="https://other.example/oauth2"))

    assert [one.code for one in findings] == [CheckCode.WRONG_ISSUER]

"""The way from nothing to real visits in five stages: who does what, and what the product itself can see is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.domain.environment import Environment, EnvironmentId, EnvironmentKind, Stage
from shared.domain.sign_of_life import Signs
from shared.domain.words import Said, said

IT = said("Your IT department")
ADMINISTRATOR = said("Administrator")
ANALYST = said("Epic customer analyst")
SPECIALIST = said("Epic technical specialist")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that somebody does. `done` is None where the product cannot know."""

    who: Said
    words: Said
    done: bool | None = None
    href: str = ""


@dataclass(frozen=True, slots=True)
class Leg:
    """One of the five stages, and what stands at its end."""

    title: Said
    outcome: Said
    steps: tuple[Step, ...]

    @property
    def known(self) -> list[Step]:
        return [one for one in self.steps if one.done is not None]

    @property
    def done(self) -> bool:
        """Whether all that the product can see is done; a stage it sees nothing of is never called done."""
        return bool(self.known) and all(one.done for one in self.known)


# What has to be there before the first stage is worth beginning.
PREREQUISITES = (
    said(
        "Epic, version November 2018 or newer. Group visits and FHIR R4 need a newer version of the Epic side."
    ),
    said("Microsoft Teams, in use in your organization."),
    said(
        "For everyone who holds visits, a Microsoft 365 or Office 365 license that includes Teams meetings."
    ),
    said("A Microsoft 365 account that may be an administrator here, and the work account of the approver."),
    said("For the people who run the deployment: an Azure subscription in the geography of your patients."),
    said(
        "Browsers: the newest version or the two before it of Edge, Chrome or Safari; on iPhone and iPad "
        "Safari, on Android Chrome. Patients need no app and no account."
    ),
)


def legs(environments: Sequence[Environment], signs: Mapping[EnvironmentId, Signs]) -> tuple[Leg, ...]:
    """The five stages with their live marks. `signs` are those of the environments that are approved."""
    tests = [one for one in environments if one.kind is EnvironmentKind.TEST]
    real = [one for one in environments if one.kind is EnvironmentKind.PRODUCTION]
    return (
        _access(),
        _keys(environments),
        _configuration(environments),
        _records(tests, signs),
        _going(tests, real, signs),
    )


def _access() -> Leg:
    return Leg(
        said("Get access"),
        said("Your organization may configure and test."),
        (
            Step(IT, said("Deploy Visit Connector, or ask whoever runs it to list your organization.")),
            Step(
                IT,
                said("Grant consent for the app in Microsoft 365 and let it organize meetings."),
                href="/readiness",
            ),
            Step(
                ADMINISTRATOR,
                said("Sign in and confirm where the data of your organization will live."),
                done=True,
            ),
        ),
    )


def _keys(environments: Sequence[Environment]) -> Leg:
    return Leg(
        said("Register the app at Epic"),
        said("Epic knows the three client ids and reads the public keys from their address."),
        (
            Step(
                SPECIALIST,
                said(
                    "Register the app for providers, for patients and for the backend, with the redirect address "
                    "and the address of the keys that the portal shows."
                ),
            ),
            Step(
                ADMINISTRATOR,
                said("Enter the three client ids. The portal makes the keys and publishes them."),
                done=any(len(one.newest.connection.clients) == 3 for one in environments),
                href="/setup/organizations",
            ),
            Step(SPECIALIST, said("Wait until Epic has taken over ids and keys; this may take a day.")),
        ),
    )


def _configuration(environments: Sequence[Environment]) -> Leg:
    asked = any(one.newest.stage in (Stage.WAITING, Stage.APPROVED) for one in environments)
    return Leg(
        said("Configure and approve"),
        said("An approved configuration, and the integration records for Epic."),
        (
            Step(
                ADMINISTRATOR,
                said("Add the FHIR base URL of the test environment and name the approver."),
                done=bool(environments),
                href="/setup/organizations",
            ),
            Step(
                ADMINISTRATOR,
                said("If you want texts: consent, the sender's number, message types, the certificate."),
                href="/setup/sms",
            ),
            Step(ADMINISTRATOR, said("Ask for approval."), done=asked, href="/approvals"),
            Step(
                ANALYST,
                said("Sign in with Microsoft, then with Epic, read what will be approved, and approve it."),
                done=any(one.live is not None for one in environments),
                href="/approvals",
            ),
        ),
    )


def _records(tests: Sequence[Environment], signs: Mapping[EnvironmentId, Signs]) -> Leg:
    return Leg(
        said("Build the integration records in Epic"),
        said("Epic can begin a visit: ready to test."),
        (
            Step(
                ANALYST,
                said("Hand the records of the environment to your Epic technical specialist."),
                href="/records",
            ),
            Step(SPECIALIST, said("Enter the records in Epic's test environment.")),
            Step(
                ANALYST,
                said("Start a visit from Epic and see the first launch arrive."),
                done=any(_launched(one, signs) for one in tests),
                href="/records",
            ),
        ),
    )


def _going(
    tests: Sequence[Environment], real: Sequence[Environment], signs: Mapping[EnvironmentId, Signs]
) -> Leg:
    texting = [one for one in tests if one.operation.texts.on]
    feed = any(one.id in signs and signs[one.id].message is not None for one in texting)
    return Leg(
        said("Test everything, then go to production"),
        said("The whole flow is validated, and real visits run."),
        (
            Step(
                ANALYST,
                said(
                    "Test with a provider and a patient: lobby, admission, texts, status in Epic, group visits."
                ),
            ),
            *(
                (Step(SPECIALIST, said("Send appointments over HL7v2 and see the first arrive."), done=feed),)
                if texting
                else ()
            ),
            Step(
                ADMINISTRATOR,
                said("Copy the tested environment to production and have it approved."),
                done=any(one.live is not None for one in real),
                href="/setup/organizations",
            ),
            Step(
                SPECIALIST,
                said("Enter the records of the production environment in Epic's production."),
                done=any(_launched(one, signs) for one in real),
                href="/records",
            ),
        ),
    )


def _launched(one: Environment, signs: Mapping[EnvironmentId, Signs]) -> bool:
    return one.id in signs and signs[one.id].first_launch is not None

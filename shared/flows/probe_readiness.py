"""The single looks of a readiness check: whom to ask about each thing, and which rule judges what was seen."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shared.domain import readiness_deployment, readiness_epic, readiness_microsoft
from shared.domain.environment import Environment
from shared.domain.errors import OutsideError, TryAgain, TurnedDown
from shared.domain.geography import Geography
from shared.domain.readiness import Area, Observer, Subject, Verdict
from shared.domain.words import Said, said
from shared.flows.ports import Observers, OutsideClock

# Of many mapped providers so many are looked at; a policy or licence that is missing is rarely missing once.
_MOST_PEOPLE = 40
_PEOPLE_AT_ONCE = 6

# Consent codes and the like come from Entra while it refuses a token.
_FROM_ENTRA = "AADSTS"


@dataclass(frozen=True, slots=True)
class Deployment:
    """What settings say about this stamp. `given_secrets` are those that a person puts into the key vault."""

    client_id: str
    mailbox: str
    geography: Geography
    region: str
    given_secrets: tuple[str, ...]
    made_secrets: tuple[str, ...] = ("data-key", "link-key", "opt-out-key", "cookie-key", "call-events-key")


@dataclass(frozen=True, slots=True)
class Probe:
    subject: Subject
    look: Callable[[], Awaitable[Verdict]]


@dataclass(frozen=True, slots=True)
class Looking:
    """One round of looks at `environments` of one tenant."""

    environments: Sequence[Environment]
    observers: Observers
    deployment: Deployment
    now: Callable[[], datetime]
    names: Mapping[str, str] = field(default_factory=dict)

    # --- Microsoft 365 -----------------------------------------------------------------------------------

    def microsoft(self) -> list[Probe]:
        def probe(id: str, title: Said, look: Callable[[], Awaitable[Verdict]]) -> Probe:
            return Probe(Subject(id, Area.MICROSOFT, title, Observer.GRAPH), look)

        return [
            probe("admin-consent", said("Admin consent"), self._consent),
            probe("graph-permissions", said("Permissions in Microsoft Graph"), self._permissions),
            probe("teams-access-policy", said("Teams application access policy"), self._access_policy),
            probe("teams-licenses", said("Teams licenses of meeting organizers"), self._licences),
            probe(
                "guest-addresses", said("Patient addresses that open in the browser"), self._guest_addresses
            ),
            probe("mail", said("Mail to approvers"), self._mail),
        ]

    async def _consent(self) -> Verdict:
        try:
            await self.observers.microsoft.sign_in()
        except TurnedDown as refusal:
            return readiness_microsoft.judged_consent(refusal.code)
        return readiness_microsoft.judged_consent(None)

    async def _permissions(self) -> Verdict:
        try:
            granted = await self.observers.microsoft.permissions()
        except TurnedDown as refusal:
            if refusal.code.startswith(_FROM_ENTRA):
                raise
            return readiness_microsoft.permissions_not_shown()
        return readiness_microsoft.judged_permissions(granted, client_id=self.deployment.client_id)

    async def _access_policy(self) -> Verdict:
        seen = await _each_person(self._organizers(), self.observers.microsoft.has_access_policy)
        return readiness_microsoft.judged_access_policy(
            seen, names=self.names, client_id=self.deployment.client_id
        )

    async def _licences(self) -> Verdict:
        seen = await _each_person(self._organizers(), self.observers.microsoft.has_teams)
        return readiness_microsoft.judged_licences(seen, names=self.names)

    async def _guest_addresses(self) -> Verdict:
        organizers = self._organizers()
        if not organizers:
            return readiness_microsoft.no_accounts()
        allowed = await self.observers.microsoft.has_guest_addresses(organizers[0])
        return readiness_microsoft.judged_guest_addresses(allowed)

    async def _mail(self) -> Verdict:
        mailbox = self.deployment.mailbox
        if not mailbox:
            return readiness_microsoft.mail_off()
        try:
            allowed = await self.observers.mail.may_send()
        except TurnedDown as refusal:
            if refusal.code.startswith(_FROM_ENTRA):
                raise
            return readiness_microsoft.no_mailbox(mailbox)
        return readiness_microsoft.judged_mail(
            allowed=allowed,
            mailbox=mailbox,
            everywhere=allowed and await self._sends_everywhere(),
            client_id=self.deployment.client_id,
        )

    async def _sends_everywhere(self) -> bool:
        try:
            return "Mail.Send" in await self.observers.microsoft.permissions()
        except OutsideError:
            return False  # the check of the permissions says that they are not shown

    def _organizers(self) -> list[str]:
        """Scheduling accounts first: without them nothing can be prepared."""
        meetings = [one.operation.meetings for one in self.environments]
        accounts = [account for one in meetings for account in one.scheduling_accounts]
        providers = [person for one in meetings for person in one.providers.values()]
        return list(dict.fromkeys([*accounts, *providers]))[:_MOST_PEOPLE]

    # --- Epic and texts ----------------------------------------------------------------------------------

    def of(self, environment: Environment) -> list[Probe]:
        def probe(
            id: str,
            area: Area,
            title: Said,
            observer: Observer,
            look: Callable[[Environment], Awaitable[Verdict]],
        ) -> Probe:
            subject = Subject(f"{id}-{environment.id}", area, title, observer, environment.id)
            return Probe(subject, lambda: look(environment))

        probes = [
            probe("epic-address", Area.EPIC, said("FHIR address"), Observer.EPIC, self._address),
            probe("certificate", Area.EPIC, said("HL7v2 certificate"), Observer.STORAGE, self._certificates),
            probe(
                "last-launch", Area.EPIC, said("Last launch from Epic"), Observer.STORAGE, self._last_launch
            ),
            probe(
                "last-message", Area.EPIC, said("Last HL7v2 message"), Observer.STORAGE, self._last_message
            ),
        ]
        if environment.operation.texts.on and environment.operation.texts.sender:
            probes += [
                probe("sender", Area.TEXTS, said("Sender number"), Observer.AZURE, self._sender),
                probe(
                    "sender-verification",
                    Area.TEXTS,
                    said("Number verification"),
                    Observer.SETTING,
                    self._verification,
                ),
            ]
        return probes

    async def _address(self, environment: Environment) -> Verdict:
        connection = (environment.live or environment.newest).connection
        found = await self.observers.addresses.check(connection.fhir_base_url)
        wrong = [one.said for one in found.findings if not one.ok or one.warns]
        return readiness_epic.judged_address(found.ok, wrong, connection.fhir_base_url)

    async def _certificates(self, environment: Environment) -> Verdict:
        held = (environment.live or environment.newest).connection.certificates
        return readiness_epic.judged_certificates(held, now=self.now())

    async def _last_launch(self, environment: Environment) -> Verdict:
        last = (await self.observers.signs(environment.id).all()).last_launch
        return readiness_epic.judged_last_launch(last.last_at if last else None, now=self.now())

    async def _last_message(self, environment: Environment) -> Verdict:
        last = (await self.observers.signs(environment.id).all()).message
        return readiness_epic.judged_last_message(last.last_at if last else None, now=self.now())

    async def _sender(self, environment: Environment) -> Verdict:
        return readiness_epic.judged_sender(
            await self.observers.numbers.find(environment.operation.texts.sender)
        )

    async def _verification(self, environment: Environment) -> Verdict:
        try:
            number = await self.observers.numbers.find(environment.operation.texts.sender)
        except OutsideError:
            number = None
        return readiness_epic.verification(number)

    # --- this deployment ---------------------------------------------------------------------------------

    def stamp(self) -> list[Probe]:
        def probe(id: str, title: Said, observer: Observer, look: Callable[[], Awaitable[Verdict]]) -> Probe:
            return Probe(Subject(id, Area.DEPLOYMENT, title, observer), look)

        graph, vault = self.observers.graph_clock, self.observers.vault_clock
        return [
            probe(
                "graph-clock",
                said("Clock, against Microsoft Graph"),
                Observer.GRAPH,
                lambda: self._clock(graph, "Microsoft Graph"),
            ),
            probe(
                "key-vault-clock",
                said("Clock, against Key Vault"),
                Observer.KEY_VAULT,
                lambda: self._clock(vault, "Key Vault"),
            ),
            probe("key-vault", said("Key vault and its secrets"), Observer.KEY_VAULT, self._secrets),
            probe("geography", said("Where data is stored"), Observer.STORAGE, self._geography),
            probe("region", said("Where the app runs"), Observer.AZURE, self._region),
        ]

    async def _clock(self, clock: OutsideClock, service: str) -> Verdict:
        before = self.now()
        theirs = await clock.read()
        halfway = before + (self.now() - before) / 2
        return readiness_deployment.judged_clock(halfway - theirs, service=service)

    async def _secrets(self) -> Verdict:
        given = self.deployment.given_secrets
        ages = await self.observers.secrets.ages([*self.deployment.made_secrets, *given])
        return readiness_deployment.judged_secrets(ages, given=given, now=self.now())

    async def _geography(self) -> Verdict:
        return readiness_deployment.judged_geography(
            await self.observers.pinned(), configured=self.deployment.geography
        )

    async def _region(self) -> Verdict:
        if self.observers.own_resource is None:
            return readiness_deployment.region_by_setting(self.deployment.region)
        return readiness_deployment.judged_region(
            await self.observers.own_resource.region(), configured=self.deployment.region
        )


async def _each_person(
    people: Collection[str], look: Callable[[str], Awaitable[bool]]
) -> dict[str, bool | None]:
    """What was seen of each; None of those about whom no answer came. Raise what stopped all of them."""
    turns = asyncio.Semaphore(_PEOPLE_AT_ONCE)
    stopped: list[OutsideError] = []

    async def one(person: str) -> bool | None:
        async with turns:
            try:
                return await look(person)
            except TurnedDown as refusal:
                # Whoever is no longer in the directory is one person's problem; no token is everybody's.
                if refusal.code.startswith(_FROM_ENTRA):
                    stopped.append(refusal)
                return None
            except TryAgain as busy:
                stopped.append(busy)
                return None

    seen = await asyncio.gather(*(one(person) for person in people))
    if stopped and all(answer is None for answer in seen):
        raise stopped[0]
    return dict(zip(people, seen, strict=True))

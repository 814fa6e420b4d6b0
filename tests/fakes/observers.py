"""Stand-ins for everybody who can say whether a hospital is ready: they see what a test has laid down."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.domain.environment import EnvironmentId
from shared.domain.errors import TurnedDown
from shared.domain.geography import Geography
from shared.domain.readiness import LinkedNumber, SecretAge
from shared.domain.sign_of_life import Sign, SignKind, Signs
from shared.flows.ports import Observers, SignsOfLife
from tests.fakes.clock import FixedClock
from tests.fakes.outside import FakeAddressChecker, FakeMail, Trouble

EVERYTHING = frozenset(
    {
        "Application.Read.All",
        "OnlineMeetings.ReadWrite.All",
        "User.Read.All",
        "User.ReadBasic.All",
        "VirtualAppointment.Read.All",
    }
)


class FakeMicrosoft(Trouble):
    """A tenant in which everything is as it should be, until a test takes something away."""

    def __init__(self) -> None:
        super().__init__()
        self.granted = EVERYTHING
        self.without_policy: set[str] = set()
        self.without_teams: set[str] = set()
        self.unknown_people: set[str] = set()
        self.guest_addresses = True
        self.no_token = ""  # Entra's number for why there is none
        self.asked: list[str] = []

    async def _enter(self) -> None:
        await self.begin()
        if self.no_token:
            raise TurnedDown("Entra gave no token to the app", code=self.no_token)

    async def sign_in(self) -> None:
        await self._enter()

    async def permissions(self) -> frozenset[str]:
        await self._enter()
        if "Application.Read.All" not in self.granted:
            raise TurnedDown("Graph answered 403", code="Authorization_RequestDenied")
        return self.granted

    async def has_access_policy(self, organizer: str) -> bool:
        await self._seen(organizer)
        return organizer not in self.without_policy

    async def has_teams(self, person: str) -> bool:
        await self._seen(person)
        return person not in self.without_teams

    async def has_guest_addresses(self, organizer: str) -> bool:
        await self._enter()
        return self.guest_addresses

    async def _seen(self, person: str) -> None:
        await self._enter()
        self.asked.append(person)
        if person in self.unknown_people:
            raise TurnedDown("Graph answered 404", code="Request_ResourceNotFound")


@dataclass
class FakeOutsideClock(Trouble):
    """The time at another service, so much ahead of ours."""

    clock: FixedClock
    ahead: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        super().__init__()

    async def read(self) -> datetime:
        await self.begin()
        return self.clock() + self.ahead


class FakeOwnResource(Trouble):
    def __init__(self) -> None:
        super().__init__()
        self.where = "eastus2"

    async def region(self) -> str:
        await self.begin()
        return self.where


class FakeLinkedNumbers(Trouble):
    """The numbers of the resource; those of tests send texts unless something else is laid down."""

    def __init__(self) -> None:
        super().__init__()
        self.linked: dict[str, LinkedNumber] = {"+12065550111": LinkedNumber("tollFree", sends=True)}

    async def find(self, e164: str) -> LinkedNumber | None:
        await self.begin()
        return self.linked.get(e164)


@dataclass
class FakeSecretAges(Trouble):
    """A vault in which every secret was made ten days ago, but for those of `made`."""

    clock: FixedClock
    made: dict[str, datetime | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    async def ages(self, names: Sequence[str]) -> list[SecretAge]:
        await self.begin()
        usual = self.clock() - timedelta(days=10)
        return [SecretAge(name, self.made.get(name, usual)) for name in names]


@dataclass
class RememberedSigns:
    """What an environment remembers of one message and one launch."""

    message: datetime | None
    launch: datetime | None

    async def note(self, kind: SignKind, *, at: datetime, other: str = "") -> None:
        raise AssertionError("whoever looks notes nothing")

    async def all(self) -> Signs:
        came = ((SignKind.MESSAGE, self.message), (SignKind.PROVIDER, self.launch))
        return Signs(tuple(Sign(kind, at, at) for kind, at in came if at is not None))


class Watchers:
    """All of them, and what stamps remember of Epic."""

    def __init__(
        self, clock: FixedClock, *, mail: FakeMail | None = None, addresses: FakeAddressChecker | None = None
    ) -> None:
        self.microsoft = FakeMicrosoft()
        self.mail = mail or FakeMail()
        self.graph_clock = FakeOutsideClock(clock)
        self.vault_clock = FakeOutsideClock(clock)
        self.secrets = FakeSecretAges(clock)
        self.own_resource = FakeOwnResource()
        self.numbers = FakeLinkedNumbers()
        self.pinned_to = Geography.AMERICAS
        self.addresses = addresses or FakeAddressChecker()
        self.messages: dict[str, datetime] = {}
        self.launches: dict[str, datetime] = {}

    def observers(
        self, *, asks_azure: bool = True, signs: Callable[[EnvironmentId], SignsOfLife] | None = None
    ) -> Observers:
        """`signs`: where a stamp remembers them; else what `messages` and `launches` say."""
        return Observers(
            microsoft=self.microsoft,
            mail=self.mail,
            graph_clock=self.graph_clock,
            vault_clock=self.vault_clock,
            secrets=self.secrets,
            own_resource=self.own_resource if asks_azure else None,
            numbers=self.numbers,
            pinned=self._pinned,
            addresses=self.addresses,
            signs=signs or self._signs,
        )

    async def _pinned(self) -> Geography:
        return self.pinned_to

    def _signs(self, environment: EnvironmentId) -> SignsOfLife:
        return RememberedSigns(self.messages.get(environment), self.launches.get(environment))

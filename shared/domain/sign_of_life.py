"""Signs of life: that Epic reached an environment, when for the first and the last time, and by which record.

Kinds and times only: nothing here tells who came or for which visit.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.environment import Environment, EnvironmentId
from shared.domain.integration_record import KINDS
from shared.domain.launch import LaunchRole, MixUp
from shared.domain.words import Said


class SignKind(StrEnum):
    """What came from Epic. The launches are named as the records that begin them."""

    PROVIDER = "provider"
    PATIENT = "patient"
    GROUP_PROVIDER = "group-provider"
    GROUP_PATIENT = "group-patient"
    DEVICE_TEST = "device-test"
    MESSAGE = "message"
    OTHER_EPIC = "other-epic"  # another environment's Epic began a launch by this one's record
    OTHER_RECORD = "other-record"  # this environment's Epic began a launch by another one's record


LAUNCHES = (
    SignKind.PROVIDER,
    SignKind.PATIENT,
    SignKind.GROUP_PROVIDER,
    SignKind.GROUP_PATIENT,
    SignKind.DEVICE_TEST,
)

MIX_UPS = (SignKind.OTHER_EPIC, SignKind.OTHER_RECORD)

# "Last" is as true as this: a process writes each kind once in that time, so that launches stay cheap.
NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Sign:
    """The first and the last time of one kind. `other` is the environment that was mixed up with this one."""

    kind: SignKind
    first_at: datetime
    last_at: datetime
    other: str = ""


@dataclass(frozen=True, slots=True)
class Signs:
    """All signs of one environment."""

    every: tuple[Sign, ...] = ()

    def of(self, kind: SignKind) -> Sign | None:
        return next((one for one in self.every if one.kind is kind), None)

    @property
    def launches(self) -> tuple[Sign, ...]:
        return tuple(one for one in self.every if one.kind in LAUNCHES)

    @property
    def first_launch(self) -> Sign | None:
        return min(self.launches, key=lambda one: one.first_at, default=None)

    @property
    def last_launch(self) -> Sign | None:
        return max(self.launches, key=lambda one: one.last_at, default=None)

    @property
    def message(self) -> Sign | None:
        return self.of(SignKind.MESSAGE)

    @property
    def mix_up(self) -> Sign | None:
        """The last mix-up, until a launch that is right comes after it."""
        mixed = max(
            (one for one in self.every if one.kind in MIX_UPS), key=lambda one: one.last_at, default=None
        )
        right = self.last_launch
        if mixed is None or (right is not None and right.last_at > mixed.last_at):
            return None
        return mixed


def launch_kind(role: LaunchRole, *, group: bool) -> SignKind:
    """The record that a launch came by."""
    return SignKind(f"group-{role}") if group and role is not LaunchRole.DEVICE_TEST else SignKind(role)


def label(environment: Environment) -> Said:
    """What an environment is called among those of its tenant."""
    return KINDS[environment.kind]


def mixed_up(kind: SignKind, *, own: Environment, other: Environment) -> MixUp:
    """What was taken for what. Two environments of one kind are told apart by organization, or else by id."""
    epic, record = (other, own) if kind is SignKind.OTHER_EPIC else (own, other)
    names = [(label(one), one.operation.organization, one.id) for one in (epic, record)]
    came_from, record_of = next(pair for pair in zip(*names, strict=True) if pair[0] != pair[1])
    return MixUp(other.id, came_from=came_from, record_of=record_of)


def mix_up_of(signs: Signs, *, own: Environment, every: Iterable[Environment]) -> MixUp | None:
    """The mix-up that stands, when the other environment is still there."""
    sign = signs.mix_up
    other = next((one for one in every if sign and one.id == sign.other and one.id != own.id), None)
    return mixed_up(sign.kind, own=own, other=other) if sign and other else None


def other_by_address(every: Iterable[Environment], *, own: EnvironmentId, iss: str) -> Environment | None:
    """The other environment of the tenant whose approved address is `iss`."""
    address = iss.rstrip("/")
    return next((one for one in every if one.id != own and _approved_address(one) == address), None)


def other_by_stamp(every: Iterable[Environment], *, own: EnvironmentId, stamp: str) -> Environment | None:
    """The other environment of the tenant that a record's stamp names."""
    return next((one for one in every if one.id == stamp and one.id != own), None)


def _approved_address(environment: Environment) -> str:
    return environment.live.connection.fhir_base_url.rstrip("/") if environment.live else ""

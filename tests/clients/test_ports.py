"""Every client is what the flows ask for: the type checker proves the shapes, the test that nothing is left out."""

import inspect

import pytest

from shared.clients.directory import Directory
from shared.clients.epic_check import AddressChecker
from shared.clients.epic_preflight import EpicPreflight
from shared.clients.epic_smart import EpicSmart
from shared.clients.epic_status import EpicStatus
from shared.clients.key_vault import KeyVault
from shared.clients.linked_numbers import LinkedNumbers
from shared.clients.mail import Mail
from shared.clients.microsoft_checks import MicrosoftChecks
from shared.clients.outside_clock import OutsideClock
from shared.clients.own_resource import OwnResource
from shared.clients.teams_call_events import TeamsCallEvents
from shared.clients.teams_meetings import TeamsMeetings
from shared.clients.teams_notifications import TeamsNotifications
from shared.clients.text_messages import TextMessages
from shared.flows import ports
from shared.storage.seals import DataKeys

PAIRS: list[tuple[type, type]] = [
    (ports.Keys, KeyVault),
    (DataKeys, KeyVault),
    (ports.TextMessages, TextMessages),
    (ports.TeamsMeetings, TeamsMeetings),
    (ports.CallEvents, TeamsCallEvents),
    (ports.NotificationOpener, TeamsNotifications),
    (ports.EpicSmart, EpicSmart),
    (ports.EpicStatus, EpicStatus),
    (ports.AddressChecker, AddressChecker),
    (ports.EpicSignIn, EpicSmart),
    (ports.EpicPreflight, EpicPreflight),
    (ports.Directory, Directory),
    (ports.Mail, Mail),
    (ports.MicrosoftChecks, MicrosoftChecks),
    (ports.OutsideClock, OutsideClock),
    (ports.OwnResource, OwnResource),
    (ports.LinkedNumbers, LinkedNumbers),
    (ports.SecretAges, KeyVault),
]


def seers(
    microsoft: MicrosoftChecks,
    clock: OutsideClock,
    resource: OwnResource,
    numbers: LinkedNumbers,
    vault: KeyVault,
) -> tuple[
    ports.MicrosoftChecks, ports.OutsideClock, ports.OwnResource, ports.LinkedNumbers, ports.SecretAges
]:
    """For the type checker: whoever looks whether a hospital is ready fits its port."""
    return microsoft, clock, resource, numbers, vault


def notices(directory: Directory, mail: Mail) -> tuple[ports.Directory, ports.Mail]:
    """For the type checker: what leads to colleagues fits its ports."""
    return directory, mail


def shapes(
    vault: KeyVault,
    texts: TextMessages,
    meetings: TeamsMeetings,
    events: TeamsCallEvents,
    opener: TeamsNotifications,
    smart: EpicSmart,
    status: EpicStatus,
    checker: AddressChecker,
    preflight: EpicPreflight,
) -> tuple[
    ports.Keys,
    DataKeys,
    ports.TextMessages,
    ports.TeamsMeetings,
    ports.CallEvents,
    ports.NotificationOpener,
    ports.EpicSmart,
    ports.EpicStatus,
    ports.AddressChecker,
    ports.EpicSignIn,
    ports.EpicPreflight,
]:
    """For the type checker: each client fits its port."""
    return vault, vault, texts, meetings, events, opener, smart, status, checker, smart, preflight


@pytest.mark.parametrize(("port", "client"), PAIRS, ids=lambda one: one.__name__)
def test_a_client_waits_wherever_its_port_waits(port: type, client: type) -> None:
    asked = {name: method for name, method in vars(port).items() if not name.startswith("_")}

    assert asked
    for name, method in asked.items():
        assert inspect.iscoroutinefunction(getattr(client, name)) == inspect.iscoroutinefunction(method)

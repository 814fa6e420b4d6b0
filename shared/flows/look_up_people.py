"""Turns the addresses that an administrator typed into the colleagues they belong to."""

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shared.domain.errors import OutsideError
from shared.domain.portal_session import Colleague
from shared.domain.words import Said, said
from shared.flows import ports

logger = logging.getLogger(__name__)

# A person waits for the form to be saved; a directory that is slower than this counts as away.
_SECONDS = 10.0
_ADDRESS = re.compile(r"[^\s@<>,;\"]{1,64}@[^\s@<>,;\"]{1,250}")


class KnownPeople(Protocol):
    """The people of one tenant that were met before."""

    async def bound(self, address: str) -> str | None:
        """The object id that an address was bound to at its first sign-in; it never belongs to another."""
        ...

    async def put(self, colleague: Colleague) -> None:
        """Remember name and address, so that pages can show them."""
        ...


@dataclass(frozen=True, slots=True)
class Resolved:
    """What became of the typed approvers.

    `approvers` are object ids, or addresses in lower case that the directory could not be asked about; they bind
    at the first sign-in. `problems`, keyed by what was typed, keep the form from being saved.
    """

    approvers: tuple[str, ...]
    colleagues: tuple[Colleague, ...] = ()
    problems: dict[str, Said] = field(default_factory=dict)


async def resolve_approvers(
    typed: Sequence[str], *, directory: ports.Directory, people: KnownPeople
) -> Resolved:
    """Look each typed address up, once and in order; what has no @ is an object id already and stays.

    Whoever is found is remembered in `people`. When the directory cannot be asked, addresses stay as typed.
    """
    approvers: dict[str, None] = {}
    colleagues: list[Colleague] = []
    problems: dict[str, Said] = {}
    away = False
    for one in dict.fromkeys(entry.strip() for entry in typed if entry.strip()):
        address = one.lower()
        if "@" not in one:
            approvers[one] = None
            continue
        if not _ADDRESS.fullmatch(one):
            problems[one] = said("Enter an email address like name@hospital.org, not %(typed)s", typed=one)
            continue
        bound = await people.bound(address)
        if bound is not None:
            approvers[bound] = None
            continue
        unseen, found = away, None
        if not away:
            try:
                found = await _find(address, directory)
            except OutsideError as refusal:
                logger.info("an approver could not be looked up: %s", refusal)
                # A directory that is away is not waited for again; an address of several people says nothing
                # about the next one.
                unseen, away = True, getattr(refusal, "code", "") != "ambiguous"
        if found is not None:
            await people.put(found)
            colleagues.append(found)
            approvers[found.object_id] = None
        elif unseen:
            approvers[address] = None
        else:
            problems[one] = said("%(email)s is not in your Microsoft 365 organization", email=one)
    return Resolved(tuple(approvers), tuple(colleagues), problems)


async def _find(address: str, directory: ports.Directory) -> Colleague | None:
    try:
        async with asyncio.timeout(_SECONDS):
            return await directory.find(address)
    except TimeoutError:
        raise OutsideError("the directory did not answer in time") from None

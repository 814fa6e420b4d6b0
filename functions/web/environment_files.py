"""Takes an environment's settings in from a file, as a new draft or as a change of one that is there."""

from dataclasses import dataclass, replace

from functions.web.portal_models import read
from functions.web.version_models import EnvironmentFile, imported
from shared.domain.configuration import CONSENTS, check, problems_of_connection, problems_of_operation
from shared.domain.environment import Connection, Environment, EnvironmentId, Operation
from shared.domain.errors import Refused
from shared.domain.words import said
from shared.flows import configure_environment as configure
from shared.wiring import Services

MOST_BYTES = 64 * 1024


def read_file(content: bytes) -> EnvironmentFile:
    """The file in `content`. Raises Refused for what is none, or of another version."""
    if not content:
        raise Refused({"file": said("Select a file")})
    if len(content) > MOST_BYTES:
        raise Refused({"file": said("The file must be smaller than 64 kB")})
    try:
        return read(EnvironmentFile, content)
    except Refused as wrong:
        where = ", ".join(sorted(wrong.problems))[:200]
        raise Refused(
            {
                "file": said(
                    "This is not an exported environment, or it was changed by hand: %(where)s", where=where
                )
            }
        ) from wrong


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file makes of an environment that is there."""

    connection: Connection
    operation: Operation

    def over(self, known: Environment) -> "Imported":
        """The same with what a file never holds, as `known` has it: consents, reviews, numbers, certificates."""
        texts, theirs = known.operation.texts, self.operation.texts
        may_text = set(texts.consents) == set(CONSENTS)
        kept = replace(
            theirs,
            on=theirs.on and may_text,
            consents=texts.consents,
            languages=texts.languages,
            only_numbers=texts.only_numbers,
        )
        certificates = known.newest.connection.certificates
        return Imported(
            replace(self.connection, certificates=certificates), replace(self.operation, texts=kept)
        )


def settings_in(file: EnvironmentFile) -> Imported:
    """The two halves that `file` holds."""
    return Imported(file.connection.value(), file.operation.value())


def checked(halves: Imported, services: Services) -> None:
    """Raise Refused for settings that could not be saved here."""
    connection = halves.connection
    problems = problems_of_connection(connection, private_hosts=services.settings.private_fhir_hosts)
    # A copy that was never finished has no addresses yet; they are asked for when it is sent for approval.
    if not connection.fhir_base_url:
        problems.pop("connection.fhir_base_url", None)
    if connection.write_back is not None and not connection.write_back.url:
        problems.pop("connection.write_back.url", None)
    check(problems | problems_of_operation(halves.operation))


async def make(
    file: EnvironmentFile, *, id: EnvironmentId, services: Services, given: configure.Configuring
) -> Environment:
    """The new environment of a file, a draft; the same id again is the same one. Raises Refused."""
    halves = Imported(file.connection.value(), imported(file))
    checked(halves, services)
    return await configure.create_environment(
        id, file.kind, halves.connection, halves.operation, given=given, now=services.now()
    )


async def change(
    known: Environment, halves: Imported, *, seen: str, services: Services, given: configure.Configuring
) -> None:
    """Bring the settings of a file over an environment: its connection as a draft, its operation live at once."""
    checked(halves, services)
    now = services.now()
    await configure.change_operation(known.id, halves.operation, seen=seen, given=given, now=now)
    await configure.change_connection(known.id, halves.connection, seen="", given=given, now=now)

"""The API of an environment's versions: withdraw, remove, compare, restore, copy, export, import and share."""

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import azure.functions as func

from functions.web import configuration_models as models
from functions.web import environment_files
from functions.web import portal_answers as answers
from functions.web.api import Api, Call
from shared.domain.address_use import ShareStage
from shared.domain.configuration import check, problems_of_operation
from shared.domain.difference import differences
from shared.domain.environment import Environment, EnvironmentId
from shared.domain.errors import NotFound, Refused
from shared.domain.history import HistoryEntry
from shared.domain.tenant import Role, TenantId
from shared.domain.versioned import Versioned
from shared.domain.words import said
from shared.flows import configure_environment as configure
from shared.flows import restore_version as versions
from shared.flows import share_address as sharing
from shared.flows.foresee_effects import foresee
from shared.wiring import Services

_CONFLICT = HTTPStatus.CONFLICT
_NOT_ACCEPTED = HTTPStatus.UNPROCESSABLE_ENTITY
_ENVIRONMENTS, _VERSIONS, _SHARING = ("Environments",), ("Versions",), ("Sharing",)


def made_once(tenant: TenantId, once: str) -> EnvironmentId:
    """The id of what is made with the key `once`: a second click leads to the same."""
    return EnvironmentId(hashlib.sha256(f"{tenant}|{once}".encode()).hexdigest()[:16])


def api_configuration(services: Services) -> func.Blueprint:
    """The API of versions, speaking to `services`."""
    api = Api(services)
    _changes(api)
    _versions(api)
    _copies(api)
    _sharing(api)
    return api.blueprint


def _environment(call: Call[Any]) -> EnvironmentId:
    return EnvironmentId(call.path("environment"))


async def _found(call: Call[Any]) -> Versioned[Environment]:
    """The environment in the path, for an administrator only."""
    call.person.must_be(Role.ADMINISTRATOR)
    return await call.services.environments_of(call.person.tenant).get(_environment(call))


def _changes(api: Api) -> None:
    @api.endpoint(
        "api_withdraw",
        "POST",
        "environments/{environment}/withdrawal",
        takes=models.VersionIn,
        gives=answers.EnvironmentOut,
        refuses=(_CONFLICT,),
        tags=("Approval",),
    )
    async def withdraw(call: Call[models.VersionIn]) -> answers.EnvironmentOut:
        """Take back what waits for approval."""
        withdrawn = await configure.withdraw(
            _environment(call), seen=call.body.version, given=call.configuring(), now=call.services.now()
        )
        return answers.shown(withdrawn, whole=True)

    @api.endpoint(
        "api_remove_environment",
        "POST",
        "environments/{environment}/removal",
        takes=models.RemovalIn,
        gives=models.RemovedOut,
        refuses=(_CONFLICT,),
        tags=_ENVIRONMENTS,
    )
    async def remove(call: Call[models.RemovalIn]) -> models.RemovedOut:
        """Remove an environment: no visit starts from it any more, and planned texts do not go out."""
        await configure.remove_environment(
            _environment(call),
            confirmed=call.body.organization,
            seen=call.body.version,
            given=call.configuring(),
            now=call.services.now(),
        )
        return models.RemovedOut(removed=_environment(call))

    @api.endpoint(
        "api_remove_certificate",
        "DELETE",
        "environments/{environment}/certificates/{fingerprint}",
        gives=answers.EnvironmentOut,
        refuses=(_CONFLICT,),
        tags=_ENVIRONMENTS,
    )
    async def remove_certificate(call: Call[None]) -> answers.EnvironmentOut:
        """A new draft without that certificate."""
        changed = await configure.remove_certificate(
            _environment(call), call.path("fingerprint"), given=call.configuring(), now=call.services.now()
        )
        return answers.shown(changed, whole=True)

    @api.endpoint(
        "api_effects",
        "POST",
        "environments/{environment}/effects",
        takes=models.EffectsIn,
        gives=models.EffectsOut,
        tags=_ENVIRONMENTS,
    )
    async def effects(call: Call[models.EffectsIn]) -> models.EffectsOut:
        """What a change would stop in the next 7 days; nothing is changed."""
        before = (await _found(call)).value
        person, now = call.person, call.services.now()
        after = before
        if call.body.operation is not None:
            check(problems_of_operation(call.body.operation.value()))
            after = after.operated(call.body.operation.value(), by=person, at=now)
        if call.body.connection is not None:
            after = after.redrafted(call.body.connection.value(), by=person, at=now)
        if call.body.remove:
            after = after.removed(by=person, at=now)
        return models.effects_out(await foresee(before, after, given=call.configuring(), now=now))


def _versions(api: Api) -> None:
    @api.endpoint(
        "api_history",
        "GET",
        "environments/{environment}/history",
        gives=models.HistoryOut,
        tags=_VERSIONS,
    )
    async def history(call: Call[None]) -> models.HistoryOut:
        """Every version of the connection and of the operation, the newest first."""
        found = await versions.history(_environment(call), call.configuring())
        return models.HistoryOut(entries=[models.entry_out(one) for one in found])

    @api.endpoint(
        "api_differences",
        "GET",
        "environments/{environment}/differences",
        asks=models.DifferencesAsked,
        gives=models.DifferencesOut,
        refuses=(_NOT_ACCEPTED,),
        tags=_VERSIONS,
    )
    async def compare(call: Call[None]) -> models.DifferencesOut:
        """How two versions differ, in words. Phone numbers are masked."""
        asked = call.query(models.DifferencesAsked)
        found = {
            one.number: one
            for one in await versions.history(_environment(call), call.configuring())
            if one.kind is asked.kind
        }
        older = _version(found, asked.older).value if asked.older else None
        newer = _version(found, asked.newer).value
        return models.DifferencesOut(
            differences=[models.difference_out(one) for one in differences(older, newer)]
        )

    @api.endpoint(
        "api_restore",
        "POST",
        "environments/{environment}/restoration",
        takes=models.RestorationIn,
        gives=answers.EnvironmentOut,
        refuses=(_CONFLICT,),
        tags=_VERSIONS,
    )
    async def restore(call: Call[models.RestorationIn]) -> answers.EnvironmentOut:
        """An earlier version again: a connection as a new draft, an operation live at once."""
        restored = await versions.restore(
            _environment(call),
            call.body.kind,
            call.body.number,
            seen=call.body.version,
            given=call.configuring(),
            now=call.services.now(),
        )
        return answers.shown(restored, whole=True)


def _version(found: Mapping[int, HistoryEntry], number: int) -> HistoryEntry:
    if number not in found:
        raise NotFound("no such version")
    return found[number]


def _copies(api: Api) -> None:
    services = api.services

    @api.endpoint(
        "api_copy_environment",
        "POST",
        "environments/{environment}/copy",
        takes=models.CopyIn,
        gives=answers.EnvironmentOut,
        status=HTTPStatus.CREATED,
        refuses=(_CONFLICT,),
        tags=_VERSIONS,
    )
    async def copy(call: Call[models.CopyIn]) -> answers.EnvironmentOut:
        """A production environment, a draft, with the settings of an approved test environment."""
        copied = await versions.copy_to_production(
            _environment(call),
            to=made_once(call.person.tenant, call.body.once),
            given=call.configuring(),
            now=services.now(),
        )
        return answers.shown(copied, whole=True)

    @api.endpoint(
        "api_export_environment",
        "GET",
        "environments/{environment}/file",
        gives=models.EnvironmentFile,
        tags=_VERSIONS,
    )
    async def export(call: Call[None]) -> models.EnvironmentFile:
        """The newest settings as a file, without certificates, consents and numbers of people."""
        return models.file_of((await _found(call)).value)

    @api.endpoint(
        "api_import_environment",
        "POST",
        "files",
        takes=models.ImportIn,
        gives=answers.EnvironmentOut,
        status=HTTPStatus.CREATED,
        refuses=(_CONFLICT,),
        tags=_VERSIONS,
    )
    async def take_in(call: Call[models.ImportIn]) -> answers.EnvironmentOut:
        """A new environment, a draft, from a file. Texts are off until somebody gives their consent here."""
        made = await environment_files.make(
            call.body.file,
            id=made_once(call.person.tenant, call.body.once),
            services=services,
            given=call.configuring(),
        )
        return answers.shown(made, whole=True)


def _sharing(api: Api) -> None:
    services = api.services

    def both_sides(call: Call[Any]) -> sharing.Sharing:
        return sharing.Sharing(call.configuring(), services.audit_log)

    async def shown(call: Call[Any]) -> models.SharingOut:
        return models.SharingOut(
            shares=[
                models.ShareOut(
                    address=one.address,
                    fhir_base_url=one.fhir_base_url,
                    tenant=one.tenant,
                    organization=one.organization,
                    theirs=one.theirs,
                    stage=one.stage,
                    at=one.at,
                    live=one.live,
                )
                for one in await sharing.requests(call.configuring())
            ]
        )

    @api.endpoint("api_sharing", "GET", "sharing", gives=models.SharingOut, tags=_SHARING)
    async def list_all(call: Call[None]) -> models.SharingOut:
        """The FHIR base URLs that are shared with other organizations, or asked for."""
        return await shown(call)

    @api.endpoint(
        "api_ask_to_share",
        "POST",
        "sharing/requests",
        takes=models.ShareIn,
        gives=models.SharingOut,
        refuses=(_CONFLICT,),
        tags=_SHARING,
    )
    async def ask(call: Call[models.ShareIn]) -> models.SharingOut:
        """Ask the organization that uses an environment's FHIR base URL to share it."""
        wanted = EnvironmentId(call.body.environment)
        if not wanted:
            raise Refused({"environment": said("Choose an environment")})
        await sharing.ask_to_share(wanted, sharing=both_sides(call), now=services.now())
        return await shown(call)

    @api.endpoint(
        "api_answer_share",
        "POST",
        "sharing/answers",
        takes=models.ShareAnswerIn,
        gives=models.SharingOut,
        refuses=(_CONFLICT,),
        tags=_SHARING,
    )
    async def answer(call: Call[models.ShareAnswerIn]) -> models.SharingOut:
        """Allow or refuse what another organization asks, or withdraw."""
        await sharing.answer_share(
            call.body.address,
            TenantId(call.body.tenant),
            ShareStage(call.body.answer),
            sharing=both_sides(call),
            now=services.now(),
        )
        return await shown(call)

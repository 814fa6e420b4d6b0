"""The API of an environment's versions: compare, restore, copy to production, export and import."""

from collections.abc import Mapping
from http import HTTPStatus

import azure.functions as func

from functions.web import environment_files
from functions.web import portal_answers as answers
from functions.web import version_models as models
from functions.web.api import Api, Call
from functions.web.environment_found import administered_environment
from functions.web.made_once import made_once
from shared.domain.difference import differences
from shared.domain.errors import NotFound
from shared.domain.history import HistoryEntry
from shared.flows import restore_version as versions
from shared.wiring import Services

_CONFLICT = HTTPStatus.CONFLICT
_TAGS = ("Versions",)


def api_versions(services: Services) -> func.Blueprint:
    """The endpoints, speaking to `services`."""
    api = Api(services)

    @api.endpoint(
        "api_history",
        "GET",
        "environments/{environment}/history",
        gives=models.HistoryOut,
        tags=_TAGS,
    )
    async def history(call: Call[None]) -> models.HistoryOut:
        """Every version of the connection and of the operation, the newest first."""
        found = await versions.history(call.environment, call.configuring())
        return models.HistoryOut(entries=[models.entry_out(one) for one in found])

    @api.endpoint(
        "api_differences",
        "GET",
        "environments/{environment}/differences",
        asks=models.DifferencesAsked,
        gives=models.DifferencesOut,
        refuses=(HTTPStatus.UNPROCESSABLE_ENTITY,),
        tags=_TAGS,
    )
    async def compare(call: Call[None]) -> models.DifferencesOut:
        """How two versions differ, in words. Phone numbers are masked."""
        asked = call.query(models.DifferencesAsked)
        found = {
            one.number: one
            for one in await versions.history(call.environment, call.configuring())
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
        tags=_TAGS,
    )
    async def restore(call: Call[models.RestorationIn]) -> answers.EnvironmentOut:
        """An earlier version again: a connection as a new draft, an operation live at once."""
        restored = await versions.restore(
            call.environment,
            call.body.kind,
            call.body.number,
            seen=call.body.version,
            given=call.configuring(),
            now=services.now(),
        )
        return answers.shown(restored, whole=True)

    @api.endpoint(
        "api_copy_environment",
        "POST",
        "environments/{environment}/copy",
        takes=models.CopyIn,
        gives=answers.EnvironmentOut,
        status=HTTPStatus.CREATED,
        refuses=(_CONFLICT,),
        tags=_TAGS,
    )
    async def copy(call: Call[models.CopyIn]) -> answers.EnvironmentOut:
        """A production environment, a draft, with the settings of an approved test environment."""
        copied = await versions.copy_to_production(
            call.environment,
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
        tags=_TAGS,
    )
    async def export(call: Call[None]) -> models.EnvironmentFile:
        """The newest settings as a file, without certificates, consents and numbers of people."""
        return models.file_of((await administered_environment(call)).value)

    @api.endpoint(
        "api_import_environment",
        "POST",
        "files",
        takes=models.ImportIn,
        gives=answers.EnvironmentOut,
        status=HTTPStatus.CREATED,
        refuses=(_CONFLICT,),
        tags=_TAGS,
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

    return api.blueprint


def _version(found: Mapping[int, HistoryEntry], number: int) -> HistoryEntry:
    if number not in found:
        raise NotFound("no such version")
    return found[number]

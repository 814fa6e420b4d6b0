"""The API of environments: add and look at them, change what they hold, and see what a change would stop."""

from http import HTTPStatus

import azure.functions as func

from functions.web import effect_models
from functions.web import portal_answers as answers
from functions.web import portal_models as models
from functions.web.api import Api, Call
from functions.web.environment_found import administered_environment, seen_environment
from functions.web.made_once import made_once
from shared.domain.configuration import check, problems_of_connection, problems_of_operation
from shared.domain.environment import Connection, EnvironmentId, EnvironmentKind, Operation
from shared.domain.record_rules import problems_of_records
from shared.domain.tenant import Role
from shared.flows import configure_environment as configure
from shared.flows.foresee_effects import foresee
from shared.hl7v2.signature import check_certificate
from shared.wiring import Services

_CONFLICT = HTTPStatus.CONFLICT
_TAGS = ("Environments",)


def api_environments(services: Services) -> func.Blueprint:
    """The endpoints, speaking to `services`."""
    api = Api(services)

    def checked_connection(shape: models.ConnectionIn) -> Connection:
        connection = shape.value()
        check(problems_of_connection(connection, private_hosts=services.settings.private_fhir_hosts))
        return connection

    def checked_operation(shape: models.OperationIn) -> Operation:
        operation = shape.value()
        check(
            problems_of_operation(operation)
            | problems_of_records(operation.records, book=services.record_book())
        )
        return operation

    @api.endpoint(
        "api_create_environment",
        "POST",
        "environments",
        takes=models.EnvironmentIn,
        gives=answers.EnvironmentOut,
        status=HTTPStatus.CREATED,
        refuses=(_CONFLICT,),
        tags=_TAGS,
    )
    async def create(call: Call[models.EnvironmentIn]) -> answers.EnvironmentOut:
        """A new environment as a draft."""
        once = call.body.once
        made = await configure.create_environment(
            made_once(call.person.tenant, once) if once else EnvironmentId(services.new_id()),
            EnvironmentKind(call.body.kind),
            checked_connection(call.body.connection),
            checked_operation(call.body.operation),
            given=call.configuring(),
            now=services.now(),
        )
        return answers.shown(made, whole=True)

    @api.endpoint("api_list_environments", "GET", "environments", gives=answers.EnvironmentsOut, tags=_TAGS)
    async def list_all(call: Call[None]) -> answers.EnvironmentsOut:
        """The environments the caller may see."""
        every = await configure.visible(call.configuring())
        return answers.EnvironmentsOut(environments=[answers.shown(one) for one in every])

    @api.endpoint(
        "api_show_environment",
        "GET",
        "environments/{environment}",
        gives=answers.EnvironmentOut,
        tags=_TAGS,
    )
    async def show(call: Call[None]) -> answers.EnvironmentOut:
        """One environment with the version to send back when changing it."""
        found = await seen_environment(call)
        return answers.shown(
            found.value, version=found.version, whole=Role.ADMINISTRATOR in call.person.roles
        )

    @api.endpoint(
        "api_change_connection",
        "PUT",
        "environments/{environment}/connection",
        takes=models.ConnectionChange,
        gives=answers.EnvironmentOut,
        refuses=(_CONFLICT,),
        tags=_TAGS,
    )
    async def change_connection(call: Call[models.ConnectionChange]) -> answers.EnvironmentOut:
        """A new draft of the connection."""
        changed = await configure.change_connection(
            call.environment,
            checked_connection(call.body.connection),
            seen=call.body.version,
            given=call.configuring(),
            now=services.now(),
        )
        return answers.shown(changed, whole=True)

    @api.endpoint(
        "api_change_operation",
        "PUT",
        "environments/{environment}/operation",
        takes=models.OperationChange,
        gives=answers.EnvironmentOut,
        refuses=(_CONFLICT,),
        tags=_TAGS,
    )
    async def change_operation(call: Call[models.OperationChange]) -> answers.EnvironmentOut:
        """A new operation, live at once."""
        changed = await configure.change_operation(
            call.environment,
            checked_operation(call.body.operation),
            seen=call.body.version,
            given=call.configuring(),
            now=services.now(),
        )
        return answers.shown(changed, whole=True)

    @api.endpoint(
        "api_add_certificate",
        "POST",
        "environments/{environment}/certificates",
        takes=models.CertificateIn,
        gives=answers.EnvironmentOut,
        status=HTTPStatus.CREATED,
        refuses=(_CONFLICT,),
        tags=_TAGS,
    )
    async def add_certificate(call: Call[models.CertificateIn]) -> answers.EnvironmentOut:
        """One more certificate that proves the sender of appointments."""
        changed = await configure.add_certificate(
            call.environment,
            check_certificate(call.body.pem.encode(), now=services.now()),
            given=call.configuring(),
            now=services.now(),
        )
        return answers.shown(changed, whole=True)

    @api.endpoint(
        "api_remove_certificate",
        "DELETE",
        "environments/{environment}/certificates/{fingerprint}",
        gives=answers.EnvironmentOut,
        refuses=(_CONFLICT,),
        tags=_TAGS,
    )
    async def remove_certificate(call: Call[None]) -> answers.EnvironmentOut:
        """A new draft without that certificate."""
        changed = await configure.remove_certificate(
            call.environment, call.path("fingerprint"), given=call.configuring(), now=services.now()
        )
        return answers.shown(changed, whole=True)

    @api.endpoint(
        "api_effects",
        "POST",
        "environments/{environment}/effects",
        takes=effect_models.EffectsIn,
        gives=effect_models.EffectsOut,
        tags=_TAGS,
    )
    async def effects(call: Call[effect_models.EffectsIn]) -> effect_models.EffectsOut:
        """What a change would stop in the next 7 days; nothing is changed."""
        before = (await administered_environment(call)).value
        person, now = call.person, services.now()
        after = before
        if call.body.operation is not None:
            after = after.operated(checked_operation(call.body.operation), by=person, at=now)
        if call.body.connection is not None:
            after = after.redrafted(call.body.connection.value(), by=person, at=now)
        if call.body.remove:
            after = after.removed(by=person, at=now)
        return effect_models.effects_out(await foresee(before, after, given=call.configuring(), now=now))

    @api.endpoint(
        "api_remove_environment",
        "POST",
        "environments/{environment}/removal",
        takes=effect_models.RemovalIn,
        gives=effect_models.RemovedOut,
        refuses=(_CONFLICT,),
        tags=_TAGS,
    )
    async def remove(call: Call[effect_models.RemovalIn]) -> effect_models.RemovedOut:
        """Remove an environment: no visit starts from it any more, and planned texts do not go out."""
        await configure.remove_environment(
            call.environment,
            confirmed=call.body.organization,
            seen=call.body.version,
            given=call.configuring(),
            now=services.now(),
        )
        return effect_models.RemovedOut(removed=call.environment)

    return api.blueprint

"""The API that looks: what became of Epic's messages, and where one appointment stands."""

import azure.functions as func

from functions.web import appointment_models as models
from functions.web.api import Api, Call
from functions.web.environment_found import seen_environment
from shared.domain.errors import NotFound
from shared.domain.join_link import LinkRole, token
from shared.domain.tenant import Role
from shared.domain.versioned import Versioned
from shared.domain.visit import Visit
from shared.wiring import Services


def api_appointments(services: Services) -> func.Blueprint:
    """The endpoints, speaking to `services`."""
    api = Api(services)

    @api.endpoint(
        "api_messages",
        "GET",
        "environments/{environment}/messages",
        gives=models.MessagesOut,
        tags=("Looking",),
    )
    async def messages(call: Call[None]) -> models.MessagesOut:
        """What became of the newest HL7v2 messages, and what is parked."""
        environment = (await seen_environment(call)).value.id
        newest = await services.stores(call.person.tenant, environment).inbound.newest(100)
        parked = await services.parked(call.person.tenant).all(environment)
        return models.MessagesOut(
            messages=[models.message_out(one) for one in newest],
            parked=[
                models.ParkedOut(id=one.id, queue=one.queue, reason=one.reason, parked_at=one.parked_at)
                for one in parked
            ],
        )

    @api.endpoint(
        "api_appointment",
        "GET",
        "environments/{environment}/appointments/{csn}",
        gives=models.AppointmentOut,
        tags=("Looking",),
    )
    async def appointment(call: Call[None]) -> models.AppointmentOut:
        """Where one appointment stands: its texts, its visit and what Epic was told. Ids and states only."""
        environment = (await seen_environment(call)).value.id
        stores = services.stores(call.person.tenant, environment)
        csn = call.path("csn")
        keys = await stores.aliases.keys_of([csn])
        found = (await stores.appointments.get(keys.get(csn, csn))).value
        secret = token(await services.keys.link_key(), found.ref, LinkRole.PATIENT, found.link_generation)
        try:
            visit: Versioned[Visit] | None = await stores.visits.get(found.ref.key)
        except NotFound:
            visit = None
        # The link opens the patient's own page: whoever only reads reports or approves gets none.
        is_administrator = Role.ADMINISTRATOR in call.person.roles
        return models.AppointmentOut(
            csn=found.csn,
            state=found.state,
            by_video=found.by_video,
            starts_at=found.starts_at,
            doubtful_time=found.doubtful_time,
            forgotten_at=found.forgotten_at,
            link=f"{services.settings.public_base_url}/v/{secret}" if is_administrator else None,
            texts=[models.text_out(one) for one in await stores.notifications.of_appointment(found.ref.key)],
            visit=models.visit_out(visit.value) if visit else None,
            write_backs=[
                models.write_back_out(one.value) for one in await stores.write_backs.of_visit(found.ref.key)
            ],
        )

    return api.blueprint

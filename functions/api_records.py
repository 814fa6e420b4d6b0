"""The API's integration records: what to enter in Epic, what Epic holds instead, and what came from there."""

from http import HTTPStatus

import azure.functions as func

from functions.web import record_models as models
from functions.web import records_of as seen
from functions.web.api import Api, Call
from shared.domain.environment import Environment
from shared.domain.errors import OutOfStep
from shared.domain.integration_record import Record
from shared.domain.record_comparison import compare
from shared.domain.sign_of_life import mix_up_of
from shared.domain.tenant import Role
from shared.domain.words import said
from shared.flows.configure_environment import visible
from shared.flows.finish_setup import finish_setup
from shared.flows.renew_key import keys_of, renew_key
from shared.wiring import Services

_TAGS = ("Integration records",)
_CONFLICT = HTTPStatus.CONFLICT
_AWAY = HTTPStatus.SERVICE_UNAVAILABLE


def api_records(services: Services) -> func.Blueprint:
    """The endpoints, speaking to `services`."""
    api = Api(services)

    @api.endpoint(
        "api_records",
        "GET",
        "environments/{environment}/records",
        gives=models.RecordsOut,
        refuses=(_CONFLICT,),
        tags=_TAGS,
    )
    async def show(call: Call[None]) -> models.RecordsOut:
        """Every integration record of an approved environment, exactly as it belongs in Epic."""
        one, _ = await _one(call)
        return models.RecordsOut(
            environment=one.id, records=[models.RecordOut.of(each) for each in _records(services, one)]
        )

    @api.endpoint(
        "api_finish",
        "POST",
        "environments/{environment}/finish",
        gives=models.FinishedOut,
        refuses=(HTTPStatus.UNPROCESSABLE_ENTITY,),
        tags=_TAGS,
    )
    async def finish(call: Call[None]) -> models.FinishedOut:
        """Say that the set-up of an approved environment is finished: written into the audit log, nothing else."""
        await finish_setup(call.environment, given=call.configuring(), now=services.now())
        return models.FinishedOut(finished=call.environment)

    @api.endpoint(
        "api_signs",
        "GET",
        "environments/{environment}/signs",
        gives=models.SignsOut,
        tags=_TAGS,
    )
    async def signs(call: Call[None]) -> models.SignsOut:
        """When Epic first and last reached the environment, by which record, and a mix-up that stands."""
        one, every = await _one(call)
        found = await services.signs(one.tenant, one.id).all()
        return models.SignsOut.of(found, mix_up_of(found, own=one, every=every))

    @api.endpoint(
        "api_compare_records",
        "POST",
        "environments/{environment}/records/comparison",
        takes=models.PastedIn,
        gives=models.ComparisonOut,
        refuses=(_CONFLICT,),
        tags=_TAGS,
    )
    async def comparison(call: Call[models.PastedIn]) -> models.ComparisonOut:
        """Hold what Epic has against a record and tell each difference. Nothing of it is kept."""
        one, every = await _one(call)
        found = compare(
            call.body.pasted,
            records=_records(services, one),
            kind=call.body.kind or "",
            against=seen.against(one, every),
        )
        return models.ComparisonOut.of(found)

    @api.endpoint(
        "api_sample_links",
        "GET",
        "environments/{environment}/records/sample-links",
        asks=models.SampleAsked,
        gives=models.SamplesOut,
        refuses=(_CONFLICT,),
        tags=_TAGS,
    )
    async def sample_links(call: Call[None]) -> models.SamplesOut:
        """The links that Epic would open for a launch, with the launch value that was given."""
        one, _ = await _one(call)
        _records(services, one)
        asked = call.query(models.SampleAsked)
        links = seen.samples(services, one, asked.launch)
        return models.SamplesOut(links=[models.SampleOut(record=role, url=url) for role, url in links])

    @api.endpoint(
        "api_keys",
        "GET",
        "environments/{environment}/keys",
        gives=models.KeysOut,
        refuses=(_AWAY,),
        tags=_TAGS,
    )
    async def keys(call: Call[None]) -> models.KeysOut:
        """The keys that Epic reads, by client: which one signs, which one waits, which one leaves and when."""
        call.person.must_be(Role.ADMINISTRATOR)
        one, _ = await _one(call)
        return await _keys(services, one)

    @api.endpoint(
        "api_make_key",
        "POST",
        "environments/{environment}/keys",
        takes=models.NewKeyIn,
        gives=models.KeysOut,
        refuses=(_AWAY,),
        tags=_TAGS,
    )
    async def make_key(call: Call[models.NewKeyIn]) -> models.KeysOut:
        """Make a new key for a client. While the newest is less than a day old, nothing changes."""
        one, _ = await _one(call)
        await renew_key(
            one.id,
            call.body.client,
            rotation=services.rotation,
            given=call.configuring(),
            now=services.now(),
        )
        return await _keys(services, one)

    return api.blueprint


async def _one(
    call: Call[None] | Call[models.PastedIn] | Call[models.NewKeyIn],
) -> tuple[Environment, list[Environment]]:
    every = await visible(call.configuring())
    return seen.one_of(every, call.path("environment")), every


def _records(services: Services, one: Environment) -> tuple[Record, ...]:
    found = seen.records(services, one)
    if not found:
        raise OutOfStep(said("Records appear after approval."))
    return found


async def _keys(services: Services, one: Environment) -> models.KeysOut:
    home = services.settings.public_base_url
    return models.KeysOut(
        clients=[
            models.ClientKeysOut(
                client=client,
                address=f"{home}/keys/{one.id}/{client}/.well-known/jwks.json",
                keys=[models.KeyOut.of(key) for key in keys],
            )
            for client, keys in (await keys_of(one.id, rotation=services.rotation)).items()
        ]
    )

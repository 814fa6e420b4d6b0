"""Made-up people and plans: one of each kind, and strategies that make any of them."""

from datetime import UTC, datetime, time, timedelta

from hypothesis import strategies as st

from shared.domain.appointment import Appointment, AppointmentRef, AppointmentState, News, SourceVersion
from shared.domain.environment import (
    Certificate,
    Connection,
    ConnectionVersion,
    Department,
    Environment,
    EnvironmentId,
    EnvironmentKind,
    EpicClient,
    Feed,
    Meetings,
    Operation,
    Stage,
    Texts,
    WriteBackSign,
    WriteBackTarget,
)
from shared.domain.launch import Launch, LaunchRole
from shared.domain.notification import Notification, NotificationKind, NotificationRef
from shared.domain.outcome import Outcome
from shared.domain.participant import Participant, ParticipantRole, Stay
from shared.domain.phone_number import PhoneNumber
from shared.domain.tenant import TenantId
from shared.domain.visit import ExternalId, Fact, FactKind, Meeting, Subscription, Visit, VisitRef
from shared.domain.write_back import WriteBack, WriteBackState

NOW = datetime(2026, 3, 2, 15, 0, 0, 123456, tzinfo=UTC)
PHONE = PhoneNumber("+12065550142")
EXTERNAL_ID = "E-5550-998"


def appointment(tenant: TenantId, environment: EnvironmentId, key: str = "0001001") -> Appointment:
    return Appointment(
        ref=AppointmentRef(tenant, environment, key),
        csn=key,
        aliases=(key, "SCH/1#7?"),
        state=AppointmentState.BOOKED,
        starts_at=NOW + timedelta(days=2),
        zone="America/Chicago",
        doubtful_time="",
        minutes=30,
        by_video=True,
        confidential=False,
        deceased=False,
        department="10501",
        providers=("E1001",),
        language="es",
        phone=PHONE,
        external_id=EXTERNAL_ID,
        patient_hash="a1b2",
        source=SourceVersion(NOW.replace(microsecond=0), False, NOW),
        same_second=("d-1",),
        revision=1,
        owed=News.BOOKED,
    )


def visit(tenant: TenantId, environment: EnvironmentId, key: str = "0001001") -> Visit:
    return Visit(
        ref=VisitRef(tenant, environment, key),
        session=key,
        appointments=(key,),
        starts_at=NOW,
        ends_at=NOW + timedelta(minutes=30),
        organizer="22222222-aaaa-4aaa-8aaa-000000000003",
        meeting=Meeting("m-1", "https://teams.example/j/1", "https://teams.example/g/1", True),
        participants=(Participant("patient", ParticipantRole.PATIENT, (Stay("p-1", NOW),)),),
        external_ids={"patient": ExternalId(EXTERNAL_ID, "EPI")},
    )


def notification(appointment: AppointmentRef, slot: str = "booked-1") -> Notification:
    return Notification(
        ref=NotificationRef(appointment, slot), kind=NotificationKind.BOOKED, revision=1, planned_at=NOW
    )


def fact(sequence: int) -> Fact:
    return Fact(sequence, "patient", ParticipantRole.PATIENT, FactKind.CONNECTED, NOW)


def write_back(visit: VisitRef, sequence: int) -> WriteBack:
    return WriteBack(
        visit=visit,
        session=visit.key,
        fact=fact(sequence),
        external_id=ExternalId(EXTERNAL_ID, "EPI"),
        owed_at=NOW,
    )


def launch(tenant: TenantId, environment: EnvironmentId, state_hash: str) -> Launch:
    return Launch(
        state_hash=state_hash,
        browser_hash="b-1",
        tenant=tenant,
        environment=environment,
        role=LaunchRole.PROVIDER,
        verifier="a-secret-verifier",
        nonce="a-secret-nonce",
        redirect_uri="https://visits.example/launch/callback",
        begun_at=NOW,
        session_hash="s-1",
        content_hash="c-1",
    )


def connection(*, approvers: tuple[str, ...] = ("priya.nair@lamna.example",)) -> Connection:
    return Connection(
        fhir_base_url="https://epic.example/api/FHIR/R4",
        clients={EpicClient.PROVIDER: "c-1", EpicClient.PATIENT: "c-2", EpicClient.BACKEND: "c-3"},
        approvers=approvers,
        certificates=(Certificate("PEM", "ab" * 32, "CN=engine", NOW, NOW + timedelta(days=365)),),
        write_back=WriteBackTarget("https://epic.example/status"),
    )


def an_environment(tenant: TenantId, environment: EnvironmentId) -> Environment:
    """A test environment that is approved, with texts on for one number."""
    version = ConnectionVersion(1, connection(), Stage.APPROVED, "admin-1", NOW, "analyst-1", NOW)
    return Environment(
        id=environment,
        tenant=tenant,
        kind=EnvironmentKind.TEST,
        newest=version,
        live=version,
        operation=Operation(
            organization="Lamna Healthcare",
            phone="+14255550100",
            feed=Feed(zone="America/Chicago", phone_types={"CELL": "mobile"}),
            texts=Texts(on=True, sender="+14255550101", only_numbers=(PHONE.e164,)),
            departments={"10501": Department("Video visits", "+14255550102", "America/Denver")},
        ),
        operation_version=1,
        changed_by="admin-1",
        changed_at=NOW,
    )


# --- strategies ----------------------------------------------------------------------------------------------

ids = st.text(min_size=1, max_size=20)
words = st.text(max_size=40)
moments = st.datetimes(  # hypothesis wants the ends without a zone
    datetime(2000, 1, 1),  # noqa: DTZ001
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
maybe_moments = st.none() | moments
counts = st.integers(0, 10_000)
phones = st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True).map(PhoneNumber)
spans = st.timedeltas(timedelta(0), timedelta(days=60))
tenants = ids.map(TenantId)
environment_ids = ids.map(EnvironmentId)
lists = st.lists(words, max_size=4).map(tuple)

appointments = st.builds(
    Appointment,
    ref=st.builds(AppointmentRef, tenants, environment_ids, ids),
    csn=ids,
    aliases=lists,
    state=st.sampled_from(AppointmentState),
    starts_at=maybe_moments,
    zone=words,
    doubtful_time=words,
    minutes=counts,
    department=words,
    providers=lists,
    language=words,
    phone=st.none() | phones,
    external_id=words,
    patient_hash=words,
    source=st.builds(SourceVersion, moments, st.booleans(), moments),
    same_second=lists,
    revision=counts,
    owed=st.none() | st.sampled_from(News),
    link_generation=counts,
    forgotten_at=maybe_moments,
)

_stays = st.builds(Stay, ids, maybe_moments, maybe_moments, maybe_moments, st.booleans())
_people = st.builds(
    Participant, ids, st.sampled_from(ParticipantRole), st.lists(_stays, max_size=3).map(tuple)
)
facts = st.builds(Fact, counts, ids, st.sampled_from(ParticipantRole), st.sampled_from(FactKind), moments)

visits = st.builds(
    Visit,
    ref=st.builds(VisitRef, tenants, environment_ids, ids),
    session=words,
    appointments=lists,
    starts_at=moments,
    ends_at=moments,
    organizer=words,
    meeting=st.none() | st.builds(Meeting, words, words, words, st.booleans()),
    meeting_starts_at=maybe_moments,
    co_organizers=st.frozensets(words, max_size=3),
    subscription=st.none() | st.builds(Subscription, words, moments),
    participants=st.lists(_people, max_size=3).map(tuple),
    external_ids=st.dictionaries(words, st.builds(ExternalId, words, words), max_size=3),
    events_seen=lists,
    facts_counted=counts,
    owed=st.lists(facts, max_size=3).map(tuple),
    told=st.dictionaries(words, st.sampled_from(FactKind), max_size=3),
    call_started_at=maybe_moments,
    ended_at=maybe_moments,
    outcome=st.sampled_from(Outcome),
    joins=counts,
)

write_backs = st.builds(
    WriteBack,
    visit=st.builds(VisitRef, tenants, environment_ids, ids),
    session=words,
    fact=facts,
    external_id=st.none() | st.builds(ExternalId, words, words),
    owed_at=moments,
    state=st.sampled_from(WriteBackState),
    attempts=counts,
    last_answer=words,
    tried_at=maybe_moments,
    told_at=maybe_moments,
)

_names = st.dictionaries(words, words, max_size=3)
_targets = st.builds(
    WriteBackTarget, words, words, st.sampled_from(WriteBackSign), words, statuses=_names, names=_names
)
_connections = st.builds(
    Connection,
    fhir_base_url=words,
    clients=st.dictionaries(st.sampled_from(EpicClient), words),
    approvers=lists,
    certificates=st.lists(st.builds(Certificate, words, words, words, moments, moments), max_size=2).map(
        tuple
    ),
    write_back=st.none() | _targets,
    authorize_url=words,
    token_url=words,
    issuer=words,
    keys_url=words,
)
_versions = st.builds(
    ConnectionVersion,
    counts,
    _connections,
    st.sampled_from(Stage),
    words,
    moments,
    words,
    maybe_moments,
    words,
)
_clocks = st.times(max_value=time(23, 59, 59))
_operations = st.builds(
    Operation,
    organization=words,
    phone=words,
    feed=st.builds(
        Feed,
        words,
        words,
        sending_applications=st.frozensets(words, max_size=3),
        video_visit_types=st.frozensets(words, max_size=3),
        phone_types=_names,
        external_id_type=words,
    ),
    texts=st.builds(
        Texts,
        on=st.booleans(),
        sender=words,
        consents=lists,
        booked=st.booleans(),
        changed=st.booleans(),
        cancelled=st.booleans(),
        reminders=st.lists(spans, max_size=3).map(tuple),
        quiet_from=_clocks,
        quiet_until=_clocks,
        backload=st.booleans(),
        only_numbers=lists,
    ),
    meetings=st.builds(
        Meetings,
        scheduling_accounts=lists,
        providers=_names,
        opens_before=spans,
        closes_after=spans,
        connected_when_waiting=st.booleans(),
        linger=spans,
    ),
    departments=st.dictionaries(words, st.builds(Department, words, words, words), max_size=3),
)
environments = st.builds(
    Environment,
    id=environment_ids,
    tenant=tenants,
    kind=st.sampled_from(EnvironmentKind),
    newest=_versions,
    live=st.none() | _versions,
    operation=_operations,
    operation_version=counts,
    changed_by=words,
    changed_at=moments,
)

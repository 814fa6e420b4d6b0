"""How an environment's two halves, connection and operation, are written down and read back."""

import json
from datetime import time, timedelta
from typing import Any, TypeAlias

from shared.domain.environment import (
    Attestation,
    Certificate,
    Connection,
    ConnectionVersion,
    Department,
    Environment,
    EnvironmentId,
    EnvironmentKind,
    EpicClient,
    Feed,
    FeedStatus,
    Meetings,
    Operation,
    RecordField,
    RecordSettings,
    Stage,
    Texts,
    WriteBackSign,
    WriteBackTarget,
)
from shared.domain.tenant import TenantId
from shared.storage.rows import compact, gathered, instant, moment, moment_or_none, spread
from shared.storage.tables import Row

Json: TypeAlias = dict[str, Any]


def columns(environment: Environment, *, only_numbers: str) -> dict[str, object]:
    """All columns of an environment but the keys. `only_numbers` is the sealed list of numbers to text."""
    live = environment.live
    return {
        "id": environment.id,
        "tenant": environment.tenant,
        "kind": environment.kind.value,
        **spread("newest", compact(_version_out(environment.newest))),
        **spread("live", compact(_version_out(live)) if live else ""),
        **spread("operation", compact(_operation_out(environment.operation))),
        **spread("only_numbers", only_numbers),
        "operation_version": environment.operation_version,
        "changed_by": environment.changed_by,
        "changed_at": instant(environment.changed_at),
        "removed_at": instant(environment.removed_at),
    }


def environment_of(row: Row, *, only_numbers: tuple[str, ...]) -> Environment:
    """The environment whose columns `row` holds."""
    live = gathered(row, "live")
    return Environment(
        id=EnvironmentId(row["id"]),
        tenant=TenantId(row["tenant"]),
        kind=EnvironmentKind(row["kind"]),
        newest=_version_in(json.loads(gathered(row, "newest"))),
        live=_version_in(json.loads(live)) if live else None,
        operation=_operation_in(json.loads(gathered(row, "operation")), only_numbers),
        operation_version=row["operation_version"],
        changed_by=row["changed_by"],
        changed_at=moment(row["changed_at"]),
        removed_at=moment_or_none(row.get("removed_at", "")),
    )


def _version_out(version: ConnectionVersion) -> Json:
    return {
        "number": version.number,
        "connection": _connection_out(version.connection),
        "stage": version.stage.value,
        "saved_by": version.saved_by,
        "saved_at": instant(version.saved_at),
        "decided_by": version.decided_by,
        "decided_at": instant(version.decided_at),
        "reason": version.reason,
    }


def _version_in(content: Json) -> ConnectionVersion:
    return ConnectionVersion(
        number=content["number"],
        connection=_connection_in(content["connection"]),
        stage=Stage(content["stage"]),
        saved_by=content["saved_by"],
        saved_at=moment(content["saved_at"]),
        decided_by=content["decided_by"],
        decided_at=moment_or_none(content["decided_at"]),
        reason=content["reason"],
    )


def _connection_out(connection: Connection) -> Json:
    target = connection.write_back
    return {
        "fhir_base_url": connection.fhir_base_url,
        "clients": {client.value: client_id for client, client_id in connection.clients.items()},
        "approvers": list(connection.approvers),
        "certificates": [_certificate_out(one) for one in connection.certificates],
        "write_back": _target_out(target) if target else None,
        "authorize_url": connection.authorize_url,
        "token_url": connection.token_url,
        "issuer": connection.issuer,
        "keys_url": connection.keys_url,
    }


def _connection_in(content: Json) -> Connection:
    target = content["write_back"]
    return Connection(
        fhir_base_url=content["fhir_base_url"],
        clients={EpicClient(client): client_id for client, client_id in content["clients"].items()},
        approvers=tuple(content["approvers"]),
        certificates=tuple(_certificate_in(one) for one in content["certificates"]),
        write_back=_target_in(target) if target else None,
        authorize_url=content["authorize_url"],
        token_url=content["token_url"],
        issuer=content["issuer"],
        keys_url=content["keys_url"],
    )


def _certificate_out(certificate: Certificate) -> Json:
    return {
        "pem": certificate.pem,
        "fingerprint": certificate.fingerprint,
        "subject": certificate.subject,
        "valid_from": instant(certificate.valid_from),
        "valid_until": instant(certificate.valid_until),
        "issuer": certificate.issuer,
        "serial": certificate.serial,
        "replaced": certificate.replaced,
        "retires_at": instant(certificate.retires_at),
    }


def _certificate_in(content: Json) -> Certificate:
    return Certificate(
        pem=content["pem"],
        fingerprint=content["fingerprint"],
        subject=content["subject"],
        valid_from=moment(content["valid_from"]),
        valid_until=moment(content["valid_until"]),
        issuer=content.get("issuer", ""),
        serial=content.get("serial", ""),
        replaced=content.get("replaced", False),
        retires_at=moment_or_none(content.get("retires_at", "")),
    )


def _target_out(target: WriteBackTarget) -> Json:
    return {
        "url": target.url,
        "method": target.method,
        "sign": target.sign.value,
        "vendor": target.vendor,
        "statuses": dict(target.statuses),
        "names": dict(target.names),
    }


def _target_in(content: Json) -> WriteBackTarget:
    return WriteBackTarget(
        url=content["url"],
        method=content["method"],
        sign=WriteBackSign(content["sign"]),
        vendor=content["vendor"],
        statuses=dict(content["statuses"]),
        names=dict(content["names"]),
    )


def _operation_out(operation: Operation) -> Json:
    return {
        "organization": operation.organization,
        "phone": operation.phone,
        "feed": _feed_out(operation.feed),
        "texts": _texts_out(operation.texts),
        "meetings": _meetings_out(operation.meetings),
        "departments": {
            key: {"name": one.name, "phone": one.phone, "zone": one.zone, "emergency": one.emergency}
            for key, one in operation.departments.items()
        },
        "records": _records_out(operation.records),
    }


def _operation_in(content: Json, only_numbers: tuple[str, ...]) -> Operation:
    return Operation(
        organization=content["organization"],
        phone=content["phone"],
        feed=_feed_in(content["feed"]),
        texts=_texts_in(content["texts"], only_numbers),
        meetings=_meetings_in(content["meetings"]),
        departments={
            key: Department(one["name"], one["phone"], one["zone"], one.get("emergency", ""))
            for key, one in content["departments"].items()
        },
        records=_records_in(content.get("records", {})),
    )


def _records_out(records: RecordSettings) -> Json:
    return {
        "own_fields": [list(one) for one in records.own_fields],
        "tokens": dict(records.tokens),
        "fields": {key: [one.name, one.value] for key, one in records.fields.items()},
    }


def _records_in(content: Json) -> RecordSettings:
    return RecordSettings(
        own_fields=tuple((name, value) for name, value in content.get("own_fields", [])),
        tokens=dict(content.get("tokens", {})),
        fields={key: RecordField(*one) for key, one in content.get("fields", {}).items()},
    )


def _feed_out(feed: Feed) -> Json:
    return {
        "zone": feed.zone,
        "country": feed.country,
        "sending_applications": sorted(feed.sending_applications),
        "video_visit_types": sorted(feed.video_visit_types),
        "phone_types": dict(feed.phone_types),
        "external_id_type": feed.external_id_type,
        "statuses": {code: meaning.value for code, meaning in feed.statuses.items()},
    }


def _feed_in(content: Json) -> Feed:
    return Feed(
        zone=content["zone"],
        country=content["country"],
        sending_applications=frozenset(content["sending_applications"]),
        video_visit_types=frozenset(content["video_visit_types"]),
        phone_types=dict(content["phone_types"]),
        external_id_type=content["external_id_type"],
        statuses={code: FeedStatus(meaning) for code, meaning in content.get("statuses", {}).items()},
    )


def _texts_out(texts: Texts) -> Json:
    return {
        "on": texts.on,
        "sender": texts.sender,
        "consents": list(texts.consents),
        "booked": texts.booked,
        "changed": texts.changed,
        "cancelled": texts.cancelled,
        "reminders": [_seconds(before) for before in texts.reminders],
        "quiet_from": texts.quiet_from.isoformat(),
        "quiet_until": texts.quiet_until.isoformat(),
        "backload": texts.backload,
        "languages": list(texts.languages),
        "attested": [[one.what, one.by, instant(one.at)] for one in texts.attested],
        "skipped": texts.skipped,
    }


def _texts_in(content: Json, only_numbers: tuple[str, ...]) -> Texts:
    return Texts(
        on=content["on"],
        sender=content["sender"],
        consents=tuple(content["consents"]),
        booked=content["booked"],
        changed=content["changed"],
        cancelled=content["cancelled"],
        reminders=tuple(timedelta(seconds=before) for before in content["reminders"]),
        quiet_from=time.fromisoformat(content["quiet_from"]),
        quiet_until=time.fromisoformat(content["quiet_until"]),
        backload=content["backload"],
        only_numbers=only_numbers,
        # Rows of before there was a choice: English, and consents without who and when.
        languages=tuple(content.get("languages", ("en",))),
        attested=tuple(Attestation(what, by, moment(at)) for what, by, at in content.get("attested", ())),
        skipped=content.get("skipped", False),
    )


def _meetings_out(meetings: Meetings) -> Json:
    return {
        "scheduling_accounts": list(meetings.scheduling_accounts),
        "providers": dict(meetings.providers),
        "opens_before": _seconds(meetings.opens_before),
        "closes_after": _seconds(meetings.closes_after),
        "connected_when_waiting": meetings.connected_when_waiting,
        "linger": _seconds(meetings.linger),
        "guests_may_chat": meetings.guests_may_chat,
        "guests_may_share": meetings.guests_may_share,
    }


def _meetings_in(content: Json) -> Meetings:
    return Meetings(
        scheduling_accounts=tuple(content["scheduling_accounts"]),
        providers=dict(content["providers"]),
        opens_before=timedelta(seconds=content["opens_before"]),
        closes_after=timedelta(seconds=content["closes_after"]),
        connected_when_waiting=content["connected_when_waiting"],
        linger=timedelta(seconds=content["linger"]),
        guests_may_chat=content.get("guests_may_chat", True),
        guests_may_share=content.get("guests_may_share", False),
    )


def _seconds(span: timedelta) -> float:
    return span.total_seconds()

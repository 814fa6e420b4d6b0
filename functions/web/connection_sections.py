"""The parts of an environment that an analyst approves: Epic's server, approvers, client ids, and status in Epic."""

from dataclasses import replace

from functions.web.section_parts import Field, Section, Typed, as_lines, pairs
from shared.domain.environment import Connection, Environment, EpicClient, WriteBackSign, WriteBackTarget
from shared.domain.errors import Refused
from shared.domain.words import said

_FACTS = ("connected", "disconnected", "no-show", "device-test-passed", "device-test-failed")
_NAMES = ("session", "external_id", "external_id_type", "vendor", "status")

FHIR = Field(
    "connection.fhir_base_url",
    said("FHIR base URL"),
    said("Ask your Epic technical specialist. It starts with https:// and ends with /R4."),
    kind="mono",
)


def fhir_url(form: Typed) -> str:
    """The typed address without the slash at its end."""
    return form.text(FHIR.name).rstrip("/")


def approvers_of(form: Typed) -> list[str]:
    """The typed approvers in order, without empty rows."""
    return [one.strip() for one in form.all("connection.approvers") if one.strip()]


def _read_connection(form: Typed, connection: Connection) -> Connection:
    # Addresses of Epic's sign-in belong to the server: those of another are looked up when approval is asked for.
    return replace(connection, fhir_base_url=fhir_url(form), approvers=tuple(approvers_of(form)))


CONNECTION = Section(
    "connection",
    said("Epic server and approvers"),
    said("Which Epic this environment trusts, and who may approve that."),
    "connection",
    (FHIR,),
    lambda one: {
        FHIR.name: one.newest.connection.fhir_base_url,
        "connection.approvers": "\n".join(one.newest.connection.approvers),
    },
    read_connection=_read_connection,
)

_CLIENT_LABELS = {
    EpicClient.PROVIDER: said("Client id for providers"),
    EpicClient.PATIENT: said("Client id for patients"),
    EpicClient.BACKEND: said("Client id for the backend system"),
}


def _read_clients(form: Typed, connection: Connection) -> Connection:
    typed = {kind: form.text(f"connection.clients.{kind}") for kind in EpicClient}
    return replace(connection, clients={kind: value for kind, value in typed.items() if value})


CLIENTS = Section(
    "clients",
    said("Client ids"),
    said(
        "Register three apps at Epic, then enter the client ids that Epic gave them. Approval needs all three."
    ),
    "connection",
    tuple(Field(f"connection.clients.{kind}", label, kind="mono") for kind, label in _CLIENT_LABELS.items()),
    lambda one: {
        f"connection.clients.{kind}": one.newest.connection.clients.get(kind, "") for kind in EpicClient
    },
    read_connection=_read_clients,
)

_WRITE = "connection.write_back"


def _read_write_back(form: Typed, connection: Connection) -> Connection:
    url = form.text(f"{_WRITE}.url")
    if not url:
        return replace(connection, write_back=None)
    fresh = WriteBackTarget(url)
    method, sign = form.text(f"{_WRITE}.method", "GET"), form.text(f"{_WRITE}.sign", fresh.sign)
    if method not in ("GET", "POST"):
        raise Refused({f"{_WRITE}.method": said("Select GET or POST")})
    if sign not in set(WriteBackSign):
        raise Refused({f"{_WRITE}.sign": said("Select how the service knows us")})
    statuses = pairs(form, f"{_WRITE}.statuses", wrong=said("Enter lines like connected = 1"))
    if unknown := set(statuses) - set(_FACTS):
        raise Refused(
            {
                f"{_WRITE}.statuses": said(
                    "%(word)s is not known. Use: %(known)s", word=min(unknown), known=", ".join(_FACTS)
                )
            }
        )
    names = pairs(form, f"{_WRITE}.names", wrong=said("Enter lines like status = ConnectionStatus"))
    if unknown := set(names) - set(_NAMES):
        raise Refused(
            {
                f"{_WRITE}.names": said(
                    "%(word)s is not known. Use: %(known)s", word=min(unknown), known=", ".join(_NAMES)
                )
            }
        )
    return replace(
        connection,
        write_back=replace(
            fresh,
            method=method,
            sign=WriteBackSign(sign),
            vendor=form.text(f"{_WRITE}.vendor") or fresh.vendor,
            statuses=statuses or fresh.statuses,
            names=names or fresh.names,
        ),
    )


def _show_write_back(one: Environment) -> dict[str, str]:
    target = one.newest.connection.write_back
    known = target or WriteBackTarget("")
    return {
        f"{_WRITE}.url": known.url,
        f"{_WRITE}.method": known.method,
        f"{_WRITE}.sign": known.sign.value,
        f"{_WRITE}.vendor": known.vendor,
        f"{_WRITE}.statuses": as_lines(known.statuses),
        f"{_WRITE}.names": as_lines(known.names),
    }


WRITE_BACK = Section(
    "write-back",
    said("Status in Epic"),
    said(
        "Where Epic is told who is waiting and who is connected. Leave the address empty to tell Epic nothing."
    ),
    "connection",
    (
        Field(
            f"{_WRITE}.url",
            said("Address of the status service"),
            said("It starts with https://. Ask your Epic technical specialist."),
            kind="mono",
            optional=True,
        ),
        Field(
            f"{_WRITE}.method",
            said("Verb"),
            kind="select",
            options=(("GET", said("GET")), ("POST", said("POST"))),
        ),
        Field(
            f"{_WRITE}.sign",
            said("How the service knows us"),
            kind="select",
            options=(
                (WriteBackSign.BACKEND_TOKEN.value, said("Token of the backend client id")),
                (WriteBackSign.BASIC.value, said("User name and password from the key vault")),
            ),
        ),
        Field(f"{_WRITE}.vendor", said("Vendor name"), said("As it is entered in Epic's records.")),
        Field(
            f"{_WRITE}.statuses",
            said("Values of the states"),
            said(
                "One line each, like connected = 1. Known: connected, disconnected, no-show, device-test-passed,"
                " device-test-failed. What has no line is not told."
            ),
            kind="area",
        ),
        Field(
            f"{_WRITE}.names",
            said("Names of the parameters"),
            said(
                "One line each, like status = ConnectionStatus. Known: session, external_id, external_id_type,"
                " vendor, status."
            ),
            kind="area",
        ),
    ),
    _show_write_back,
    read_connection=_read_write_back,
)

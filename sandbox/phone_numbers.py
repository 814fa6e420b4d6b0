"""The phone numbers of a Communication Services resource: looked for, bought, listed and given back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.communication import CONTRACT, SEEDED_NUMBER, Communication
from sandbox.communication_proof import CommunicationDoor, CommunicationRefused
from sandbox.world import Row, World

VERSION = "2025-06-01"
_OFFER_LIVES = timedelta(minutes=15)
# What a tenant may ask for before it has spoken to support.
_SEARCHES_A_WEEK = 5
_PURCHASES = 1
_COST = {"amount": 2.0, "currencyCode": "USD", "billingFrequency": "monthly"}
_COUNTRIES = {"US": "United States", "CA": "Canada"}


@dataclass(slots=True)
class Number:
    """A number that belongs to the resource."""

    e164: str
    bought_at: datetime
    kind: str = "tollFree"
    assignment: str = "application"
    capabilities: Row = field(default_factory=lambda: {"calling": "none", "sms": "inbound+outbound"})


@dataclass(slots=True)
class Offer:
    """What a search found: reserved for a while, bought at most once."""

    id: str
    country: str
    numbers: list[str]
    asked: Row
    expires_at: datetime
    bought: bool = False


@dataclass(slots=True)
class Operation:
    """Something that takes a while: seen running once, then done."""

    id: str
    kind: str
    created_at: datetime
    resource: str = ""
    asked: int = 0


@dataclass(slots=True)
class PhoneNumbers:
    """The handlers. Owned numbers are those that `communication` sends from."""

    world: World
    door: CommunicationDoor
    communication: Communication
    numbers: dict[str, Number] = field(default_factory=dict)
    offers: dict[str, Offer] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    searched_at: list[datetime] = field(default_factory=list)
    purchases_left: int = _PURCHASES
    next_number: int = 120

    def __post_init__(self) -> None:
        self.register(SEEDED_NUMBER)

    def register(self, e164: str) -> None:
        """Let the resource own a number without buying it."""
        self.numbers[e164] = Number(e164, self.world.now())
        self.communication.owned.add(e164)

    def routes(self) -> list[Route]:
        return [*self._routes(""), *self._routes("/communication")]

    def _routes(self, prefix: str) -> list[Route]:
        def door(path: str, answer: Any, method: str = "GET") -> Route:
            return Route(prefix + path, self.door.open(answer, version=VERSION), methods=[method])

        return [
            door("/availablePhoneNumbers/countries", self._countries),
            door("/availablePhoneNumbers/countries/{country}/offerings", self._offerings),
            door("/availablePhoneNumbers/countries/{country}/areaCodes", self._area_codes),
            door("/availablePhoneNumbers/countries/{country}/:search", self._search, "POST"),
            door("/availablePhoneNumbers/searchResults/{search}", self._result),
            door("/availablePhoneNumbers/:purchase", self._purchase, "POST"),
            door("/phoneNumbers/operations/{operation}", self._operation),
            door("/phoneNumbers", self._list),
            door("/phoneNumbers/{number}/capabilities", self._update, "PATCH"),
            door("/phoneNumbers/{number}", self._release, "DELETE"),
            door("/phoneNumbers/{number}", self._get),
        ]

    async def _countries(self, _request: Request) -> Response:
        rows = [{"localizedName": name, "countryCode": code} for code, name in _COUNTRIES.items()]
        return JSONResponse({"countries": rows})

    async def _offerings(self, request: Request) -> Response:
        _country(request)
        row = {
            "phoneNumberType": "tollFree",
            "assignmentType": "application",
            "availableCapabilities": {"calling": "inbound+outbound", "sms": "inbound+outbound"},
            "cost": _COST,
        }
        return JSONResponse({"phoneNumberOfferings": [row]})

    async def _area_codes(self, request: Request) -> Response:
        _country(request)
        return JSONResponse({"areaCodes": [{"areaCode": code} for code in ("833", "844", "855")]})

    async def _search(self, request: Request) -> Response:
        country, body = _country(request), _read(await request.body(), "searchRequest")
        now = self.world.now()
        self.searched_at = [at for at in self.searched_at if now - at < timedelta(days=7)]
        if len(self.searched_at) >= _SEARCHES_A_WEEK:
            raise CommunicationRefused(
                429, "TooManyRequests", "5 searches a week are allowed.", retry_after="86400"
            )
        if body["phoneNumberType"] != "tollFree" or body["assignmentType"] != "application":
            raise CommunicationRefused(
                400, "BadRequest", "Only toll-free numbers for applications are on offer."
            )
        self.searched_at.append(now)
        quantity, area = body.get("quantity", 1), body.get("areaCode") or "833"
        numbers = [f"+1{area}555{self.next_number + one:04d}" for one in range(quantity)]
        self.next_number += quantity
        offer = Offer(self.world.new_id(), country, numbers, body, now + _OFFER_LIVES)
        self.offers[offer.id] = offer
        where = f"/availablePhoneNumbers/searchResults/{offer.id}"
        return self._begun(request, "search", where, {"search-id": offer.id}, self._offer_row(offer))

    async def _result(self, request: Request) -> Response:
        return JSONResponse(self._offer_row(self._offer(request.path_params["search"])))

    async def _purchase(self, request: Request) -> Response:
        body = _read(await request.body(), "purchaseRequest")
        offer = self._offer(body.get("searchId", ""))
        if offer.bought or offer.expires_at <= self.world.now():
            raise CommunicationRefused(400, "SearchExpired", "The search has expired or was used already.")
        if self.purchases_left < 1:
            raise CommunicationRefused(
                403, "PurchaseLimit", "The limit of purchases is reached; support raises it."
            )
        self.purchases_left -= 1
        offer.bought = True
        for e164 in offer.numbers:
            self.register(e164)
            self.numbers[e164].capabilities = offer.asked["capabilities"]
        self.world.log("communication", "numbers bought", count=len(offer.numbers))
        return self._begun(request, "purchase", "/phoneNumbers", {"purchase-id": self.world.new_id()}, None)

    async def _operation(self, request: Request) -> Response:
        found = self.operations.get(request.path_params["operation"])
        if found is None:
            raise _not_found("operation")
        found.asked += 1
        row = {
            "id": found.id,
            "operationType": found.kind,
            "status": "running" if found.asked == 1 else "succeeded",
            "createdDateTime": found.created_at.isoformat(),
            "lastActionDateTime": self.world.now().isoformat(),
        }
        if found.resource:
            row["resourceLocation"] = found.resource
        return JSONResponse(row)

    async def _list(self, _request: Request) -> Response:
        return JSONResponse({"phoneNumbers": [_number_row(one) for one in self.numbers.values()]})

    async def _get(self, request: Request) -> Response:
        return JSONResponse(_number_row(self._number(request)))

    async def _update(self, request: Request) -> Response:
        number = self._number(request)
        number.capabilities = {**number.capabilities, **_read(await request.body(), "capabilitiesChange")}
        where = f"/phoneNumbers/{number.e164.replace('+', '%2B')}"
        return self._begun(request, "updatePhoneNumberCapabilities", where, {}, _number_row(number))

    async def _release(self, request: Request) -> Response:
        number = self._number(request)
        del self.numbers[number.e164]
        self.communication.owned.discard(number.e164)
        return self._begun(request, "releasePhoneNumber", "", {"release-id": self.world.new_id()}, None)

    def _begun(
        self, request: Request, kind: str, resource: str, headers: Mapping[str, str], row: Row | None
    ) -> Response:
        """The answer to something that takes a while: where to ask how far it is."""
        prefix = "/communication" if request.url.path.startswith("/communication/") else ""
        base, version = self.world.http + prefix, f"?api-version={VERSION}"
        where = f"{base}{resource}{version}" if resource else ""
        operation = Operation(f"{kind}_{self.world.new_id()}", kind, self.world.now(), where)
        self.operations[operation.id] = operation
        given = {
            "Operation-Location": f"{base}/phoneNumbers/operations/{operation.id}{version}",
            "operation-id": operation.id,
            **headers,
        }
        if where:
            given["Location"] = where
        return JSONResponse(row, 202, given) if row is not None else Response(status_code=202, headers=given)

    def _offer(self, id: str) -> Offer:
        if id not in self.offers:
            raise _not_found("search")
        return self.offers[id]

    def _number(self, request: Request) -> Number:
        found = self.numbers.get(request.path_params["number"])
        if found is None:
            raise _not_found("phone number")
        return found

    def _offer_row(self, offer: Offer) -> Row:
        return {
            "searchId": offer.id,
            "phoneNumbers": offer.numbers,
            "phoneNumberType": offer.asked["phoneNumberType"],
            "assignmentType": offer.asked["assignmentType"],
            "capabilities": offer.asked["capabilities"],
            "cost": _COST,
            "searchExpiresBy": offer.expires_at.isoformat(),
        }


def _number_row(one: Number) -> Row:
    return {
        "id": one.e164.lstrip("+"),
        "phoneNumber": one.e164,
        "countryCode": "US",
        "phoneNumberType": one.kind,
        "assignmentType": one.assignment,
        "capabilities": one.capabilities,
        "purchaseDate": one.bought_at.isoformat(),
        "cost": _COST,
    }


def _country(request: Request) -> str:
    country: str = request.path_params["country"]
    if country not in _COUNTRIES:
        raise CommunicationRefused(400, "BadRequest", f"Numbers of {country} are not on offer.")
    return country


def _not_found(what: str) -> CommunicationRefused:
    return CommunicationRefused(404, "NotFound", f"The {what} was not found.")


def _read(raw: bytes, type_name: str) -> Row:
    try:
        body: Any = json.loads(raw)
    except ValueError as unreadable:
        raise CommunicationRefused(400, "BadRequest", "The body is not JSON.") from unreadable
    problems = CONTRACT.problems(type_name, body)
    if problems:
        raise CommunicationRefused(400, "BadRequest", "; ".join(problems))
    found: Row = body
    return found

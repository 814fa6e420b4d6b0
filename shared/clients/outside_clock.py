"""What time it is at another service, to notice when this app's own clock is wrong."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from shared.clients.web_call import call
from shared.domain.errors import TurnedDown


class OutsideClock:
    """The clock of the service at `url`, read from any answer it gives, a refusal included."""

    def __init__(self, http: httpx.AsyncClient, *, service: str, url: str) -> None:
        self._http = http
        self._service = service
        self._url = url

    async def read(self) -> datetime:
        """The time of its Date header, in whole seconds (RFC 9110, 6.6.1). Raise TryAgain or TurnedDown."""
        answer = await call(self._http, "GET", self._url, service=self._service, seconds=8.0)
        try:
            moment = parsedate_to_datetime(answer.headers["date"])
        except (KeyError, ValueError):
            raise TurnedDown(f"{self._service} did not say what time it is", code="no-date") from None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

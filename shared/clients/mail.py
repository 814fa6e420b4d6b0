"""Tells colleagues by e-mail that something waits for them, from the one mailbox the hospital has set aside."""

import logging

from azure.core.credentials_async import AsyncTokenCredential

from shared.clients.graph import Graph, GraphRefused
from shared.domain.errors import TurnedDown

logger = logging.getLogger(__name__)


class Mail:
    """Mail from `mailbox` (an address or object id) of the tenant that `credential` belongs to."""

    def __init__(self, graph: Graph, *, credential: AsyncTokenCredential, mailbox: str) -> None:
        self._graph = graph
        self._credential = credential
        self._mailbox = mailbox

    async def send(self, *, to: str, subject: str, text: str) -> None:
        """Send one plain-text message; the mailbox keeps no copy. Raise TryAgain or TurnedDown.

        Graph drops no repeats: after TryAgain the message may have been sent all the same, and a second try may
        send it twice. For a notice to a colleague that does no harm.
        """
        if not self._mailbox:
            raise TurnedDown("no mailbox is set up to send from", code="mail-off")
        await self._post(
            {
                "subject": subject,
                "body": {"contentType": "text", "content": text},
                "toRecipients": [{"emailAddress": {"address": to}}],
            }
        )
        logger.info("a mail was handed over")

    async def may_send(self) -> bool:
        """Whether Exchange lets the app send from the mailbox. Raise TryAgain or TurnedDown.

        Asked with a message to nobody, which Exchange refuses (400) after it has looked at who is asking (403).
        """
        try:
            await self._post(
                {"subject": "", "body": {"contentType": "text", "content": ""}, "toRecipients": []}
            )
        except GraphRefused as refusal:
            if refusal.status == 400:
                return True
            if refusal.status == 403:
                return False
            raise
        return True

    async def _post(self, message: dict[str, object]) -> None:
        await self._graph.call(
            lambda graph: graph.users.by_user_id(self._mailbox).send_mail,
            "POST",
            credential=self._credential,
            body={"message": message, "saveToSentItems": False},
        )

"""Mail sent through Graph: from mailboxes that Exchange lets the app use, kept for the control room to show."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.graph import ROOT, Caller, GraphDoor, GraphRefused, body_of
from sandbox.world import Row, user_named

_SEND = "Mail.Send"


@dataclass(frozen=True, slots=True)
class GraphMail:
    """The handler. What is sent goes to `world.mails`."""

    door: GraphDoor

    def routes(self) -> list[Route]:
        # Exchange decides for itself: a role for one mailbox needs no permission in Entra.
        return [
            Route(f"{ROOT}/users/{{user}}/sendMail", self.door.open(self._send, roles=()), methods=["POST"])
        ]

    async def _send(self, request: Request, caller: Caller) -> Response:
        named = request.path_params["user"]
        body = await body_of(request, "sendMailRequest")
        sender = user_named(named, caller.tenant)
        if sender is None or named == sender.key:
            raise GraphRefused(404, "ErrorInvalidUser", f"The requested user '{named}' is invalid.")
        if sender.address not in self.door.switches.mail_from and not caller.may(_SEND):
            text = "Access is denied. Check credentials and try again."
            raise GraphRefused(403, "ErrorAccessDenied", text, fair=True)
        message: Row = body["message"]
        to = _addresses(message, "toRecipients")
        copied = _addresses(message, "ccRecipients") + _addresses(message, "bccRecipients")
        if not to + copied:
            text = "At least one recipient isn't valid."
            raise GraphRefused(400, "ErrorInvalidRecipients", text, fair=True)
        content = message.get("body") or {}
        self.door.world.mails.append(
            {
                "id": self.door.world.new_id(),
                "at": self.door.world.now().isoformat(),
                "from": sender.address,
                "to": to + copied,
                "subject": message.get("subject") or "",
                "body": content.get("content") or "",
                "kept_copy": body.get("saveToSentItems", True) is not False,
            }
        )
        return Response(status_code=202)


def _addresses(message: Row, name: str) -> list[str]:
    found = [(one.get("emailAddress") or {}).get("address") for one in message.get(name) or []]
    if any(not one or "@" not in one for one in found):
        raise GraphRefused(400, "ErrorInvalidRecipients", "At least one recipient isn't valid.")
    return [str(one) for one in found]

"""What can be wrong in the world this app serves. Nothing here knows about HTTP."""


class DomainError(Exception):
    """Base of every refusal the app makes on purpose. Its text is safe to show to the person who asked."""


class NotFound(DomainError):
    """No such record for this tenant, or it belongs to another."""


class NotSignedIn(DomainError):
    """Nobody we know is asking."""


class NotListed(NotSignedIn):
    """Somebody proved who they are, and their organization is not on the list of this deployment."""


class NotAllowed(DomainError):
    """The person is known but may not do this."""


class OutOfStep(DomainError):
    """The record has moved on since the caller last saw it."""


class AlreadyThere(DomainError):
    """A record that may exist only once exists already; whoever inserted it first goes on with the work."""


class Unsealable(DomainError):
    """A sealed value whose key is gone, or that was changed or moved since it was sealed."""


class Misdirected(DomainError):
    """The tenant lives in another stamp. `home` is the address of its own."""

    def __init__(self, message: str, *, home: str) -> None:
        super().__init__(message)
        self.home = home


class Refused(DomainError):
    """What was sent cannot be accepted as it is.

    `problems` maps the field (dotted path, empty for the whole) to a sentence that says what to do.
    """

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = problems


class OutsideError(Exception):
    """Base of what another service did to us. Its text never holds what that service sent."""


class TryAgain(OutsideError):
    """The other side was busy, slow or away; the same request may succeed later.

    `after` is the wait in seconds that the other side asked for, if it did.
    """

    def __init__(self, message: str, *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class TurnedDown(OutsideError):
    """The other side will never accept this request. `code` is its own code for the reason, where known."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class MayHaveHappened(OutsideError):
    """The request was sent and no answer came: it may have been done. Never repeat it blindly."""

"""The ways in which a command ends early, each with the exit status the caller sees."""


class CannotRun(Exception):
    """Something that this machine lacks; the text is one sentence for the person at the keyboard. Exit status 2."""


class StepFailed(Exception):
    """A step of the set-up or a started program failed; the text says which, and what it last wrote. Exit status 1."""


class Stopped(BaseException):
    """Ctrl-C, or a request to end from outside. Not an Exception, so that nothing on the way catches it by mistake."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number

"""Why the built-in host would not start: one sentence that names the function and what is wrong with it."""


class CannotStart(Exception):
    """The app cannot be hosted as it is; the text says which function or setting and why."""

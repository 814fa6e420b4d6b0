"""Sentences that a person reads, kept so that a page can say them in the person's own language."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class Said(str):
    """An English sentence with its facts filled in, which remembers how it was made.

    `template` has placeholders like `%(name)s`; `values` are what goes into them. As a `str` it is the filled
    English sentence, so programs and logs need to know nothing about it.
    """

    __slots__ = ("template", "values")

    template: str
    values: Mapping[str, Any]

    def __new__(cls, template: str, values: Mapping[str, Any]) -> "Said":
        # Without values the template is the sentence: a lone percent sign in it is only a percent sign.
        self = super().__new__(cls, template % values if values else template)
        self.template = template
        self.values = MappingProxyType(dict(values))
        return self

    def __reduce__(self) -> tuple[type["Said"], tuple[str, dict[str, Any]]]:
        return (Said, (self.template, dict(self.values)))


def said(template: str, /, **values: object) -> Said:
    """The sentence `template` with `values` in it; the catalogs of all languages must hold the template."""
    return Said(template, values)

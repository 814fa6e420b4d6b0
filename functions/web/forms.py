"""What a person typed into a form and sent, read strictly and with a limit."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import azure.functions as func
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from functions.web.door import TooLarge
from shared.domain.errors import Refused
from shared.domain.words import said

MOST_BYTES = 256 * 1024
_MOST_FIELDS = 1000

# Fields that belong to the page and not to what was typed.
_OF_THE_PAGE = frozenset({"csrf"})


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form. `values` holds every value of a field, in order, as it was sent.

    `held` is set on a form that waited for its person to sign in again; `files_lost` when it had files then.
    """

    values: Mapping[str, list[str]] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    held: bool = False
    files_lost: bool = False

    def text(self, name: str, default: str = "") -> str:
        """The first value of a field, without the spaces around it."""
        given = self.values.get(name)
        return given[0].strip() if given else default

    def all(self, name: str) -> list[str]:
        """Every value of a field, trimmed, in the order of the page."""
        return [one.strip() for one in self.values.get(name, ())]

    def has(self, name: str) -> bool:
        return name in self.values

    def file(self, name: str) -> bytes | None:
        """The content of a file, or None when none was chosen."""
        return self.files.get(name)

    @property
    def action(self) -> str:
        """The value of the pressed button, which is named `do`."""
        return self.text("do")


def read_form(req: func.HttpRequest) -> Form:
    """The form in `req`. Raises TooLarge, or Refused for what is no form."""
    body = req.get_body()
    if len(body) > MOST_BYTES:
        raise TooLarge(said("The form is too large. Send at most 256 kilobytes."))
    kind, options = parse_options_header(req.headers.get("content-type", ""))
    if kind == "application/x-www-form-urlencoded":
        return _url_encoded(body)
    if kind == "multipart/form-data":
        return _multipart(body, kind, options)
    if not body:
        return Form()
    raise _unreadable()


def _url_encoded(body: bytes) -> Form:
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="replace"
        )
    except ValueError as broken:
        raise _unreadable() from broken
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(_plain(value))
    return Form(values)


def _multipart(body: bytes, kind: str, options: Mapping[str, str]) -> Form:
    parser = FormDataParser(
        # Everything was read already and is small: nothing is spooled to a disk.
        stream_factory=lambda *_args, **_kwargs: io.BytesIO(),
        max_form_memory_size=MOST_BYTES,
        max_content_length=MOST_BYTES,
        max_form_parts=_MOST_FIELDS,
        silent=False,
    )
    try:
        _, fields, files = parser.parse(io.BytesIO(body), kind, len(body), dict(options))
    except RequestEntityTooLarge as large:
        raise TooLarge(said("The form is too large. Send at most 256 kilobytes.")) from large
    except ValueError as broken:
        raise _unreadable() from broken
    return Form(
        {name: [_plain(one) for one in fields.getlist(name)] for name in fields},
        # A file field that was left empty comes with neither a name nor content.
        {name: content for name in files if (content := files[name].stream.read()) or files[name].filename},
    )


def _plain(value: str) -> str:
    """Lines end as they do everywhere else; forms send them as CR LF (HTML, form submission)."""
    return value.replace("\r\n", "\n").replace("\x00", "")


def _unreadable() -> Refused:
    return Refused({"": said("The form could not be read. Reload the page and send it again.")})


def packed(form: Form) -> str:
    """The form as text, to be held. Files are not: they are large, and the person still has them."""
    values = {name: given for name, given in form.values.items() if name not in _OF_THE_PAGE}
    return json.dumps([values, bool(form.files)], ensure_ascii=False, separators=(",", ":"))


def unpacked(text: str) -> Form:
    """The form that `packed` wrote."""
    values, had_files = json.loads(text)
    return Form(values, held=True, files_lost=had_files)

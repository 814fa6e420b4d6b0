"""The pages in three languages: reads the translations that stand beside the templates."""

import gettext
import io
from functools import cache
from pathlib import Path

_LOCALE = Path(__file__).with_name("locale")
# English is what the templates are written in.
_FOLDERS = {"es": "es", "zh-Hant-TW": "zh_Hant_TW"}


@cache
def catalog(language: str) -> gettext.NullTranslations:
    """The translations into `language`; the page's own English for any other."""
    folder = _FOLDERS.get(language)
    if folder is None:
        return gettext.NullTranslations()
    source = _LOCALE / folder / "LC_MESSAGES" / "messages.po"
    compiled = source.with_suffix(".mo")
    content = compiled.read_bytes() if compiled.exists() else compile_catalog(source)
    return gettext.GNUTranslations(io.BytesIO(content))


def compile_catalog(source: Path) -> bytes:
    """The binary form of a `.po` file.

    Packaging writes it beside the source; a fresh clone has none and compiles in memory, once per process.
    """
    # Babel is needed here only where nothing was compiled before.
    from babel.messages.mofile import write_mo  # noqa: PLC0415
    from babel.messages.pofile import read_po  # noqa: PLC0415

    with source.open("rb") as text:
        messages = read_po(text)
    binary = io.BytesIO()
    write_mo(binary, messages)
    return binary.getvalue()

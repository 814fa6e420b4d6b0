"""The style sheet, the scripts and the icon of the pages: a closed list, under names that change with the content."""

import gzip
import hashlib
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType

import azure.functions as func

from functions.web.compression import takes_gzip
from functions.web.door import anyone, door
from functions.web.replies import text_reply

_FOLDER = Path(__file__).parent / "web" / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file, ready to be sent either way."""

    mimetype: str
    plain: bytes
    zipped: bytes


def _read() -> tuple[dict[str, str], dict[str, StaticFile]]:
    """Which public name each file has, and what is sent for it."""
    names: dict[str, str] = {}
    files: dict[str, StaticFile] = {}
    for path in sorted(_FOLDER.iterdir()):
        if path.suffix not in _TYPES:
            continue
        content = path.read_bytes()
        public = f"{path.stem}.{hashlib.sha256(content).hexdigest()[:8]}{path.suffix}"
        names[path.name] = public
        # Without a timestamp, so that the same file has the same bytes on every instance.
        files[public] = StaticFile(_TYPES[path.suffix], content, gzip.compress(content, 9, mtime=0))
    return names, files


_names, _files = _read()
PUBLIC_NAMES = MappingProxyType(_names)
FILES = MappingProxyType(_files)


def asset(name: str) -> str:
    """Where a page finds `name`: `/static/app.3f9c2a1b.css`. A name that does not exist is a KeyError."""
    return f"/static/{PUBLIC_NAMES[name]}"


def static_files() -> func.Blueprint:
    """The files that pages refer to."""
    files = func.Blueprint()

    @files.function_name("static_file")
    @files.route("static/{name}", methods=["GET"])
    @door(anyone)
    async def static_file(req: func.HttpRequest, _anyone: None) -> func.HttpResponse:
        """One file of the closed list."""
        wanted = FILES.get(req.route_params.get("name", ""))
        if wanted is None:
            return text_reply("There is no such file.", HTTPStatus.NOT_FOUND)
        headers = {
            # The name changes with the content, so nobody ever has to ask again.
            "Cache-Control": "public, max-age=31536000, immutable",
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
        }
        zipped = takes_gzip(req)
        if zipped:
            headers["Content-Encoding"] = "gzip"
        body = wanted.zipped if zipped else wanted.plain
        return func.HttpResponse(body, mimetype=wanted.mimetype, charset="utf-8", headers=headers)

    return files

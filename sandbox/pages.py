"""The few pages of the sandbox's Entra and Teams: plain forms and links that work without a script."""

from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

_HERE = Path(__file__).parent
_templates = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(name: str, *, status: int = 200, forms_to: str = "", **values: object) -> Response:
    """A page that may hold our own stylesheet and forms, nothing else. `forms_to` is one more place a form may go."""
    parts = urlsplit(forms_to)
    other = f" {parts.scheme}://{parts.netloc}" if forms_to else ""
    headers = {
        "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self'{other}",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return HTMLResponse(_templates.get_template(name).render(values), status, headers=headers)


async def _stylesheet(_request: Request) -> Response:
    content = (_HERE / "static" / "sandbox.css").read_text(encoding="utf-8")
    return Response(content, media_type="text/css; charset=utf-8", headers={"Cache-Control": "no-cache"})


def stylesheet() -> Route:
    return Route("/sandbox.css", _stylesheet)

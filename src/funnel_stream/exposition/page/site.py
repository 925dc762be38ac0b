"""What all pages share: templates, the files beside them, and the headers that keep them safe."""

import hashlib
from importlib.resources import files
from typing import Any, Final, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from funnel_stream import __version__

HEADERS: Final = {
    # Nothing but what this worker serves itself, and nothing written into the page.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Stand on every page."""

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


class StaticFile(NamedTuple):
    """A file that pages refer to by its address, which changes with the content."""

    body: bytes
    content_type: str
    address: str


def _static_files() -> dict[str, StaticFile]:
    found = {}
    for file in (files(__package__) / "static").iterdir():
        body = file.read_bytes()
        digest = hashlib.blake2b(body, digest_size=6).hexdigest()
        content_type = _TYPES[file.name.rsplit(".", 1)[-1]]
        found[file.name] = StaticFile(body, content_type, f"/static/{file.name}?v={digest}")
    return found


STATIC: Final = _static_files()
"""By name."""

_environment: Final = Environment(
    loader=PackageLoader(__package__),
    autoescape=True,
    undefined=StrictUndefined,
    # A running worker goes on with what it started with while another version is installed.
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals["static"] = {name: file.address for name, file in STATIC.items()}
_environment.globals["version"] = __version__

for _name in _environment.list_templates():
    _environment.get_template(_name)  # compiled before the first reader comes


def render(template: str, **context: Any) -> str:
    """A template, filled in; everything that is put into it is escaped."""
    return _environment.get_template(template).render(context)


def part(template: str, macro: str, *arguments: Any) -> Markup:
    """A part of a page: what one macro of a template makes of its arguments."""
    made: Markup = getattr(_environment.get_template(template).module, macro)(*arguments)
    return made

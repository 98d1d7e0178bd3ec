"""The page itself: a template that escapes every text, and pictures inside it as data."""

import base64
import dataclasses
import io
from collections.abc import Sequence
from typing import Any

import jinja2

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1c2026;background:#fafaf8;margin:2rem auto;max-width:1080px;padding:0 1rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem;border-bottom:1px solid #d9d9d4;padding-bottom:.2rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top}
th{font-weight:600;color:#565c66}pre{background:#f0f0ec;padding:.7rem;white-space:pre-wrap;word-break:break-word;font-size:13px}
img{max-width:100%;height:auto}.muted{color:#707680}.hash{font:12px monospace;word-break:break-all}
"""
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title><style>{{ style }}</style></head><body>
<h1>{{ title }}</h1><p class="muted">{{ subtitle }}</p>
{% for section in sections %}<h2>{{ section.title }}</h2>
{% if section.text %}<p>{{ section.text }}</p>{% endif %}
{% if section.code %}<pre>{{ section.code }}</pre>{% endif %}
{% if section.rows %}<table>{% for row in section.rows %}{% set tag = "th" if loop.first and section.heading else "td" %}
<tr>{% for cell in row %}<{{ tag }}{% if section.hashes and loop.index0 %} class="hash"{% endif %}>{{ cell }}</{{ tag }}>{% endfor %}</tr>
{% endfor %}</table>{% endif %}
{% for picture in section.pictures %}<p><img alt="{{ picture.alt }}" src="{{ picture.data }}"></p>{% endfor %}
{% endfor %}</body></html>
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """A PNG inside the page, with what it shows in words."""

    png: bytes
    alt: str

    @property
    def data(self) -> str:
        """As the source of an image."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page.

    Attributes:
        title, text, code: words; `code` keeps its lines.
        rows: of a table; the first is its heading unless `heading` is False.
        hashes: the second column holds digests.
        pictures: below the table.
    """

    title: str
    text: str = ""
    code: str = ""
    rows: Sequence[Sequence[Any]] = ()
    heading: bool = True
    hashes: bool = False
    pictures: Sequence[Picture] = ()


def page(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """The HTML; whatever a file or a model says stays text."""
    made = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(PAGE)
    return made.render(title=title, subtitle=subtitle, sections=sections, style=STYLE)


def png_of(figure: Any) -> bytes:
    """A matplotlib figure as a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    return buffer.getvalue()

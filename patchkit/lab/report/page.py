"""The base of all reports: HTML pages without other files, and escaped Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from patchkit.printable import in_one_line, printable, without_passwords

STYLE = Path(__file__).with_name("page.css")


def page(template: Path, **values: object) -> str:
    """Render ``template`` with ``values``, which are escaped, and with ``style``, which is not.

    It may import ``parts.html.j2``.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown,
        loader=FileSystemLoader([template.parent, STYLE.parent]),
    )  # fmt: skip
    style = Markup(STYLE.read_text(encoding="utf-8"))  # noqa: S704 - a file of our own
    return environment.get_template(template.name).render(style=style, **values)


def _shown(value: object) -> object:
    """Make what a template prints fit to be shown; markup is patchkit's own."""
    return printable(value) if type(value) is str else value


def pipes(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write a Markdown table, line by line, from ``head`` and ``rows``."""
    lines = ["| " + " | ".join(map(marked, row)) + " |" for row in (head, *rows)]
    return [lines[0], "|" + "---|" * len(head), *lines[1:]]


def marked(text: str) -> str:
    """Escape ``text`` for Markdown: one line, with control characters visible and passwords hidden."""
    plain = in_one_line(without_passwords(" ".join(text.split())))
    return re.sub(r"([\\`*_{}\[\]|~#$])", r"\\\1", escape(plain, quote=False))

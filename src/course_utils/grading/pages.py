"""HTML for people: pages that need no network, run no script and escape every value.

Each page is one file with its style inside. Jinja writes it with escaping switched on for
everything, so that a student who calls a file ``<script>`` sees just that. Should an escape ever be
forgotten, the browser is told by the page's own policy to load and run nothing at all.
"""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from course_utils.grading import cards
from course_utils.grading.submissions import safe_name

DATA = Path(__file__).parents[1] / "_data"
"""The folder of templates and styles."""

_LONGEST_FILE_NAME = 120


def render(template: str, **values: Any) -> bytes:
    """Fill in a template.

    Args:
        template: Name of a file in ``_data``.
        values: What it speaks of.

    Returns:
        The page in UTF-8.
    """
    return _environment().get_template(template).render(**values).encode("utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(DATA),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["css"] = Markup((DATA / "report.css").read_text(encoding="utf-8"))
    environment.filters.update(brief=cards.brief, sentence=cards.sentence, points=cards.points)
    return environment


def file_name(name: str) -> str:
    """The name of a submission as part of a file's name: as it is, unless it could do harm."""
    plain = name.isprintable() and not set(name) & set('/\\:*?"<>|') and name[:1] not in ("", ".")
    return name if plain and len(name) <= _LONGEST_FILE_NAME else safe_name(name)

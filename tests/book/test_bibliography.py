"""Every key that the code cites is in the bibliography, and no entry stands there twice."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEYS = re.findall(r"^@\w+\{([^,\s]+),", (ROOT / "book" / "references.bib").read_text("utf-8"), re.M)
KEY = r"[a-z]+\d{4}[a-z]+"
CITED = re.compile(rf"\[({KEY}(?:[;,] ?{KEY})*)\]")
SOURCES = sorted((ROOT / "src").rglob("*.py"))


def cited(text: str) -> list[str]:
    """Keys in square brackets, one or several with semicolons between them."""
    return [key for match in CITED.findall(text) for key in re.split(r"[;,] ?", match)]


def test_keys_are_unique_and_well_formed():
    assert len(KEYS) == len(set(KEYS)) > 30
    assert [key for key in KEYS if not re.fullmatch(KEY, key)] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_code_cites_only_what_is_there(path):
    assert sorted(set(cited(path.read_text(encoding="utf-8"))) - set(KEYS)) == []


def test_citations_are_found_alone_and_in_company():
    text = "As in [neal2001annealed] and [a2001b; c2002d], not x[i2] or [1]."
    assert cited(text) == ["neal2001annealed", "a2001b", "c2002d"]


def test_every_entry_leads_somewhere():
    entries = re.split(r"\n(?=@)", (ROOT / "book" / "references.bib").read_text("utf-8"))[1:]
    without = [e for e in entries if not re.search(r"(?im)^\s*(doi|url|eprint)\s*=", e)]
    in_print_only = {re.match(r"@\w+\{([^,]+),", e)[1] for e in without if "@book" not in e[:6]}
    assert in_print_only <= {
        "bengio2000modeling",
        "brier1950verification",
        "dowson1982frechet",
        "eastwood2018framework",
        "erdos1959random",
        "murphy1973new",
        "robbins1956empirical",
        "smolensky1986information",
        "vonneumann1951various",
    }

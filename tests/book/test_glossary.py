"""The glossary: each term once, explained in a sentence or two, with the section it comes from."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "book" / "glossary.md").read_text("utf-8")
BODY = re.search(r"```\{glossary\}\n:sorted:\n\n(.*)\n```", TEXT, re.DOTALL)[1]
ENTRIES = [entry.split("\n  ", 1) for entry in BODY.split("\n\n")]


def test_terms_are_many_unique_and_in_order():
    terms = [term.lower() for term, _ in ENTRIES]
    assert 60 <= len(terms) == len(set(terms))
    assert terms == sorted(terms)


@pytest.mark.parametrize(("term", "text"), ENTRIES, ids=[term for term, _ in ENTRIES])
def test_a_term_is_explained_briefly_and_leads_to_its_section(term, text):
    explained, reference = re.fullmatch(r"(.*\.) See \{ref\}`([\w.-]+)`\.", text).groups()
    assert 6 <= len(explained.split()) <= 60
    assert any(f"({reference})=" in page.read_text("utf-8") for page in ROOT.glob("book/**/*.md"))


def test_chapters_refer_to_terms():
    used = {
        term.lower()
        for path in (ROOT / "book").rglob("*.md")
        if path.name != "glossary.md"
        for term in re.findall(r"\{term\}`(?:[^`<]*<)?([^`<>]+)>?`", path.read_text("utf-8"))
    }
    assert len(used) >= 8
    assert used <= {term.lower() for term, _ in ENTRIES}

"""The table of notation: its names of the code exist, and it has every letter chapters share."""

import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in (ROOT / "book" / "notation.md").read_text("utf-8").splitlines()
    if line.startswith("| ")
][2:]
CHAPTERS = sorted((ROOT / "book").glob("week*/*.md")) + [
    ROOT / "book" / name for name in ("worlds.md", "metrics.md")
]
GREEK = re.findall(
    r"\w+",
    "alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho "
    "sigma tau phi varphi chi psi omega Gamma Delta Theta Lambda Sigma Phi Psi Omega",
)
CALLS = re.compile(r"`(?:\w+\.)?(\w+)(?:\([^`]*\)|\[[^`]*\])?`")


def names_of_the_code() -> set[str]:
    found = set()
    for path in (ROOT / "src" / "course_utils").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for field in ("name", "arg", "attr", "id"):
                if isinstance(value := getattr(node, field, None), str):
                    found.add(value)
    return found


def test_every_name_of_the_code_exists():
    names = {name for row in ROWS for name in CALLS.findall(row[2])}
    assert len(names) > 15
    assert names - names_of_the_code() == set()


def test_no_symbol_stands_twice():
    symbols = [row[0] for row in ROWS]
    assert len(symbols) == len(set(symbols))


def greek_letters(text: str) -> set[str]:
    """Greek letters in the mathematics of a text, cells of code left out."""
    text = re.sub(r"(?ms)^```\{code-cell\}.*?^```$", "", text)
    formulas = re.findall(r"(?s)\$\$(.+?)\$\$|\$([^$\n]+)\$", text)
    joined = " ".join(a or b for a, b in formulas)
    return {name for name in GREEK if re.search(rf"\\{name}(?![A-Za-z])", joined)}


def test_greek_letters_of_several_chapters_are_in_the_table():
    known = greek_letters("\n".join(row[0] for row in ROWS))
    used = Counter(letter for path in CHAPTERS for letter in greek_letters(path.read_text("utf-8")))
    assert {letter for letter, chapters in used.items() if chapters > 1} - known == set()

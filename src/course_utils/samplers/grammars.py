"""Toy grammars as readers of one token at a time: JSON up to a depth, a little SQL, molecules.

Brackets within brackets need a stack, which no finite automaton has. With a bound on the depth
the stack can only hold finitely many things, and the reader becomes a finite automaton whose
states are (what may come next, stack). The readers of JSON and SQL close a string with the token
``end`` and repeat it up to the wanted length; molecules are counted by their exact length.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from course_utils.arguments import check_int, check_tensor
from course_utils.samplers.constrained import Automaton

END = "end"
"""The token that closes a string and fills it up."""

JSON_TOKENS = ("{", "}", "[", "]", ":", ",", '"a"', '"b"', "0", "true", END)
"""The tokens of the JSON grammar, by symbol."""

SQL_TOKENS = (
    *("SELECT", "FROM", "WHERE", "name", "price", "city", "goods", "shops", ",", "=", "1", END),
)
"""The tokens of the SQL grammar, by symbol."""

SCHEMA = {"goods": ("name", "price"), "shops": ("name", "city")}
"""The tables of the SQL grammar and their columns."""

ATOM_VALENCES = {"C": 4, "N": 3, "O": 2, "F": 1}
"""Atoms of the molecule grammar and the number of bonds that each can have."""

MOLECULE_TOKENS = (*ATOM_VALENCES, "=", "#", "(", ")")
"""The tokens of the molecule grammar, by symbol; ``=`` and ``#`` are double and triple bonds."""

_DONE = ("done", "")


def json_grammar(depth: int = 2, *, device: torch.device | None = None) -> Automaton:
    """Return the automaton of JSON values with at most ``depth`` open brackets.

    Args:
        depth: How many brackets may be open at a time, at least 0.
        device: Where the tables live.

    Returns:
        An automaton over ``JSON_TOKENS``.
    """
    check_int("depth", depth, low=0)

    def step(configuration: tuple[str, str], symbol: int) -> tuple[str, str] | None:
        return _read_json(configuration, JSON_TOKENS[symbol], depth)

    return Automaton.from_steps(("value", ""), step, lambda c: c == _DONE, len(JSON_TOKENS), device)


def sql_grammar(*, device: torch.device | None = None) -> Automaton:
    """Return the automaton of SELECT columns FROM table [WHERE column = 1], true to ``SCHEMA``.

    Every column named has to be one of the table's, so the columns chosen first restrict the
    table, and the table restricts the column of the condition.

    Args:
        device: Where the tables live.

    Returns:
        An automaton over ``SQL_TOKENS``.
    """

    def step(configuration: tuple, symbol: int) -> tuple | None:
        return _read_sql(configuration, SQL_TOKENS[symbol])

    return Automaton.from_steps(
        ("start", frozenset(SCHEMA)), step, lambda c: c == _DONE, len(SQL_TOKENS), device
    )


def molecule_grammar(depth: int = 1, *, device: torch.device | None = None) -> Automaton:
    """Return the automaton of molecules without rings, written as SMILES strings.

    Atoms written side by side are bonded once; ``=`` and ``#`` before an atom bond it twice and
    three times. A bracket opens a branch at the atom before it. Hydrogen is not written: it fills
    what is left of each valence, so a string is valid if no atom has more bonds than its valence.

    Args:
        depth: How many branches may be open at a time, at least 0.
        device: Where the tables live.

    Returns:
        An automaton over ``MOLECULE_TOKENS``.

    Source:
        [weininger1988smiles], of which this is a small part.
    """
    check_int("depth", depth, low=0)

    def step(configuration: tuple, symbol: int) -> tuple | None:
        return _read_molecule(configuration, MOLECULE_TOKENS[symbol], depth)

    def accepts(configuration: tuple) -> bool:
        opened, order, frees = configuration
        return not opened and order == 1 and len(frees) == 1

    return Automaton.from_steps((False, 1, ()), step, accepts, len(MOLECULE_TOKENS), device)


def spell(x: Int[Tensor, "samples length"], tokens: Sequence[str]) -> list[str]:
    """Write each row as text, tokens separated by spaces, up to the first ``end``.

    Args:
        x: Symbols.
        tokens: The tokens' spelling.
    """
    check_tensor("x", x, shape=("samples", "length"), low=0, high=len(tokens) - 1)
    rows = [[tokens[i] for i in row] for row in x.tolist()]
    return [" ".join(row[: row.index(END)] if END in row else row) for row in rows]


def _read_json(configuration: tuple[str, str], token: str, depth: int) -> tuple[str, str] | None:
    expect, stack = configuration
    if configuration == _DONE or (token == END and configuration == ("after", "")):
        return _DONE if token == END else None
    inside = stack[-1:]
    if expect in ("value", "first item"):
        if token in ('"a"', '"b"', "0", "true"):
            return "after", stack
        if token in ("{", "[") and len(stack) < depth:
            return "first key" if token == "{" else "first item", stack + token
    if expect in ("key", "first key") and token in ('"a"', '"b"'):
        return "colon", stack
    if (expect, token) == ("colon", ":"):
        return "value", stack
    if (expect, token) == ("after", ",") and stack:
        return "key" if inside == "{" else "value", stack
    closes_object = token == "}" and inside == "{" and expect in ("first key", "after")
    closes_list = token == "]" and inside == "[" and expect in ("first item", "after")
    return ("after", stack[:-1]) if closes_object or closes_list else None


def _read_sql(configuration: tuple, token: str) -> tuple | None:
    expect, tables = configuration
    having = frozenset(table for table in tables if token in SCHEMA[table]) if tables else tables
    moves = {
        ("start", "SELECT"): ("column", tables),
        ("listed", ","): ("column", tables),
        ("listed", "FROM"): ("table", tables),
        ("named", "WHERE"): ("condition", tables),
        ("named", END): _DONE,
        ("compared", "="): ("constant", ""),
        ("constant", "1"): ("complete", ""),
        ("complete", END): _DONE,
        ("done", END): _DONE,
    }
    if expect in ("column", "condition") and having:
        return ("listed", having) if expect == "column" else ("compared", "")
    if expect == "table" and token in tables:
        return "named", frozenset([token])
    return moves.get((expect, token))


def _read_molecule(configuration: tuple, token: str, depth: int) -> tuple | None:
    """Read a token. A configuration is (in a branch just opened, order of the next bond, frees).

    ``frees`` holds the free bonds of the atoms that a next one may hang on: the last atom read,
    and below it the atoms at which branches are open.
    """
    opened, order, frees = configuration
    free = frees[-1] if frees else 0
    settled = order == 1 and not opened and bool(frees)
    if token in ATOM_VALENCES:
        valence = ATOM_VALENCES[token]
        if not frees:
            return False, 1, (valence,)
        if min(valence, free) < order:
            return None
        below = (*frees[:-1], free - order) if opened else frees[:-1]
        return False, 1, (*below, valence - order)
    moves = {
        "=": (opened, 2, frees) if order == 1 and frees and free >= 2 else None,
        "#": (opened, 3, frees) if order == 1 and frees and free >= 3 else None,
        "(": (True, 1, frees) if settled and free and len(frees) <= depth else None,
        ")": (False, 1, frees[:-1]) if settled and len(frees) > 1 else None,
    }
    return moves[token]

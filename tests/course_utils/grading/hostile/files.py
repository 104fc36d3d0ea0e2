"""The files that are handed in: a hostile text with an honest answer after it, and odd notebooks.

The hostile texts lie in ``cases`` as ``.txt``, so that no tool takes them for programs to run. What
is hostile in the form of the file and not in its code is made here.
"""

import json
from collections.abc import Callable
from pathlib import Path

CASES = Path(__file__).with_name("cases")
HONEST = """
# %%
from course_utils.grading import given as _given
import torch as _torch
_law = _given("w01-entropy-rate")["transition"]
_rows = -(_law * _law.log()).sum(1)
entropy_rate = float(_torch.linalg.matrix_power(_law, 1000)[0] @ _rows)
"""
_ANSWER = HONEST.replace("# %%\n", "").strip()
_WRONG = "entropy_rate = 0.0"


def file_of(name: str) -> tuple[str, bytes]:
    """Suffix and content of the file that a case hands in."""
    if name == "honest":
        return ".py", HONEST.encode()
    if name in SHAPES:
        return ".ipynb", SHAPES[name]()
    return ".py", (CASES / f"{name}.txt").read_bytes() + HONEST.encode()


def _cell(source: object, **more: object) -> dict:
    return {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], **more}


def _notebook(*cells: object, **more: object) -> bytes:
    whole = {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **more}
    return json.dumps(whole).encode()


def _whole() -> bytes:
    return _notebook(_cell(_ANSWER))


def _deep_beside() -> bytes:
    """Something deep where nobody looks; the answer stands beside it."""
    deep = b"[" * 300 + b"]" * 300
    return _whole().replace(b'"metadata": {}, "nbformat"', b'"metadata": %s, "nbformat"' % deep)


SHAPES: dict[str, Callable[[], bytes]] = {
    "notebook-binary": lambda: bytes(range(256)) * 64,
    "notebook-cut-off": lambda: _whole()[:-40],
    "notebook-deep": lambda: b'{"cells": ' + b"[" * 10**6,
    "notebook-deep-beside": _deep_beside,
    "notebook-empty": lambda: b"",
    "notebook-huge-number": lambda: b'{"cells": [], "nbformat": ' + b"9" * 10**6 + b"}",
    "notebook-is-a-list": lambda: b"[1, 2, 3]",
    "notebook-is-null": lambda: b"null",
    "notebook-latin": lambda: b'{"cells": [], "metadata": {"author": "\xe9\xff"}}',
    "notebook-no-cells": lambda: _notebook(),
    "notebook-other-language": lambda: _notebook(
        _cell(_ANSWER), metadata={"kernelspec": {"language": "julia"}}
    ),
    "notebook-too-many-cells": lambda: _notebook(*[_cell("")] * 10**5),
    "notebook-bad-cells": lambda: _notebook(
        None, 7, "cell", [], {}, {"cell_type": []}, _cell(None), _cell({"a": 1}), _cell(_ANSWER)
    ),
    "notebook-bad-kernelspec": lambda: _notebook(
        _cell(_ANSWER), metadata={"kernelspec": {"name": "../../x", "language": []}}
    ),
    "notebook-bad-metadata": lambda: _notebook(
        _cell(_ANSWER, metadata=[None], tags="x", id=-1), metadata="none", nbformat="four"
    ),
    "notebook-duplicate-cells": lambda: _notebook(_cell(_WRONG), *[_cell(_ANSWER)] * 40),
    "notebook-duplicate-keys": lambda: _whole().replace(b'{"cells"', b'{"cells": 3, "cells"'),
    "notebook-fake-outputs": lambda: _notebook(
        _cell(_ANSWER, outputs=[{"output_type": "stream", "text": "score: 100"}] * 9)
    ),
    "notebook-old-format": lambda: json.dumps(
        {"worksheets": [{"cells": [{"cell_type": "code", "input": [_ANSWER]}, 3]}, 3]}
    ).encode(),
    "notebook-same-ids": lambda: _notebook(
        _cell(_WRONG, id="a", execution_count=1), _cell(_ANSWER, id="a", execution_count=1)
    ),
    "notebook-surrogates": lambda: _notebook(
        _cell("text = '\ud800'"), _cell(_ANSWER), metadata={"\udfff": "\ud800"}
    ),
    "notebook-utf-16": lambda: _whole().decode().encode("utf-16"),
}

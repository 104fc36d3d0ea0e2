"""Colab: where it opens a notebook, and the cell that installs what the notebook needs there."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

COMMENT = "# In Colab this installs what the notebook needs; anywhere else it does nothing."

_CELL = """{comment}
import os
import subprocess
import sys

if "COLAB_RELEASE_TAG" in os.environ:
    source = os.environ.get("COURSE_SOURCE", "git+{repository}@{branch}")
    needs = [{needs}]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *needs], check=True)
"""


def colab_address(colab: str, repository: str, branch: str, file: str) -> str:
    """The address at which Colab opens a notebook of a repository."""
    path = urlsplit(repository).path.strip("/").removesuffix(".git")
    return f"{colab.rstrip('/')}/github/{path}/blob/{branch}/{file}"


def install_cell(repository: str, branch: str, beside: Iterable[str] = ()) -> str:
    """The source of the cell.

    ``COURSE_SOURCE`` in the environment names another place to install the package from.

    Args:
        repository: Address of the repository, as Git clones it.
        branch: The branch that holds the package.
        beside: Further requirements, such as ``myst-nb==1.4.0``.
    """
    needs = ", ".join(['f"course-utils @ {source}"', *(f'"{name}"' for name in sorted(beside))])
    repository = repository.rstrip("/").removesuffix(".git")
    return _CELL.format(comment=COMMENT, repository=repository, branch=branch, needs=needs).rstrip()


def needed_beside(code: Iterable[str], pins: str) -> list[str]:
    """What chapters import and the package itself does not bring: for now the helper of ``glue``.

    Args:
        code: The sources of the code cells.
        pins: The text of requirements.txt, which says which version.
    """
    if not any(re.search(r"^\s*(from|import) myst_nb\b", text, re.MULTILINE) for text in code):
        return []
    pinned = re.search(r"^myst-nb==\S+$", pins, re.MULTILINE)
    return [pinned[0] if pinned else "myst-nb"]

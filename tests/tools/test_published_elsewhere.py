"""What other services read: the branch of notebooks that Colab opens, and Binder's environment."""

import os
import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
BINDER = ROOT / ".binder"


def publish_steps() -> list[dict]:
    workflow = yaml.safe_load((ROOT / ".github/workflows/publish.yml").read_text(encoding="utf-8"))
    return workflow["jobs"]["publish"]["steps"]


def git(folder: Path, *words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def test_the_workflow_puts_the_built_notebooks_where_colab_looks(tmp_path):
    (step,) = (step for step in publish_steps() if step.get("name") == "notebooks")
    sources = tmp_path / "work" / "_build" / "html" / "_sources" / "book" / "week01"
    sources.mkdir(parents=True)
    remote = tmp_path / "remote.git"
    git(tmp_path, "init", "--quiet", "--bare", str(remote))
    (sources / "page.md").write_text("# Page")
    for words in ("first", "second"):
        (sources / "chapter.ipynb").write_text(words)
        subprocess.run(
            ["bash", "-e", "-c", step["run"]],
            cwd=tmp_path / "work",
            check=True,
            env=os.environ | {"REMOTE": str(remote)},
        )
        listed = git(remote, "ls-tree", "-r", "--name-only", "gh-pages").split()
        assert listed == ["_sources/book/week01/chapter.ipynb"]
        assert git(remote, "show", f"gh-pages:{listed[0]}") == words
    assert git(remote, "rev-list", "--count", "gh-pages").strip() == "1"


def test_notebooks_are_pushed_after_the_tests_and_with_leave_to_write():
    names = [step.get("name") or step.get("run") or step.get("uses") for step in publish_steps()]
    tested = next(i for i, name in enumerate(names) if name.startswith("make test"))
    assert names.index("notebooks") > tested
    workflow = yaml.safe_load((ROOT / ".github/workflows/publish.yml").read_text(encoding="utf-8"))
    assert workflow["permissions"]["contents"] == "write"
    tests = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    assert tests[True]["push"]["branches-ignore"] == ["gh-pages"]


def test_binder_takes_the_pinned_versions_the_package_and_jupytext():
    lines = (BINDER / "requirements.txt").read_text(encoding="utf-8").splitlines()
    named = [re.fullmatch(r"-[cr] (\S+)", line) for line in lines if re.match(r"-[cr] ", line)]
    files = [(BINDER / found[1]).resolve() for found in named]
    assert files == [ROOT / "requirements.lock", ROOT / "requirements.txt"]
    assert re.search(r"^jupytext==", files[1].read_text(encoding="utf-8"), re.MULTILINE)
    assert (BINDER / "runtime.txt").read_text().strip() == "python-3.11"
    after = BINDER / "postBuild"
    assert os.access(after, os.X_OK)
    assert "pip install --no-deps --no-build-isolation -e ." in after.read_text()
    subprocess.run(["bash", "-n", after], check=True)

"""Execute chapters once, in parallel, longest first; keep whole results only.

python tools/execute.py                      all chapters that are not up to date
python tools/execute.py week01/chain_rule    one chapter
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import nbformat

import compared
import store
from chapters import Chapter, find_chapters, key

_running: set[subprocess.Popen] = set()


@dataclass(frozen=True)
class Outcome:
    """What came of executing one chapter; ``fault`` is empty when it passed."""

    chapter: Chapter
    notebook: nbformat.NotebookNode | None
    seconds: float
    fault: str


def run_in_process(chapter: Chapter) -> Outcome:
    """Execute one chapter in a process of its own, so that its death is only a fault."""
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        worker = Path(__file__).with_name("run_chapter.py")
        process = subprocess.Popen(
            [sys.executable, str(worker), chapter.name, str(path)],
            stderr=subprocess.PIPE,
            text=True,
        )
        _running.add(process)
        errors = process.communicate()[1]
        _running.discard(process)
        seconds = time.perf_counter() - begin
        if process.returncode:
            fault = errors.strip() or f"its process ended with code {process.returncode}"
            return Outcome(chapter, None, seconds, fault)
        result = json.loads(path.read_text(encoding="utf-8"))
    notebook = nbformat.reads(result["notebook"], as_version=4)
    return Outcome(chapter, notebook, seconds, result["fault"])


def last_seconds(chapter: Chapter) -> float:
    """How long the chapter took when it last ran, here or elsewhere; unknown ones come first."""
    try:
        notebook = nbformat.read(store.executed_path(chapter.name), as_version=4)
        return notebook.metadata.course.wall_seconds
    except (OSError, AttributeError, nbformat.reader.NotJSONError):
        return compared.read().get(chapter.name, {}).get("cpu_seconds", float("inf"))


def execute(chapters: list[Chapter], jobs: int, force: bool = False) -> int:
    """Bring the executed notebooks of ``chapters`` up to date; return how many failed."""
    keys = {chapter.name: key(chapter) for chapter in chapters}
    waiting = []
    for chapter in chapters:
        kept = None if force else store.load(keys[chapter.name])
        if kept is None:
            waiting.append(chapter)
        else:
            store.publish(chapter.name, kept)
    print(f"chapters: {len(chapters) - len(waiting)} up to date, {len(waiting)} to run", flush=True)
    waiting.sort(key=last_seconds, reverse=True)
    for chapter in waiting:
        store.executed_path(chapter.name).unlink(missing_ok=True)
    failed = 0
    for count, outcome in enumerate(_run_all(waiting, jobs), start=1):
        word = "FAILED" if outcome.fault else "passed"
        name = outcome.chapter.name
        print(f"[{count}/{len(waiting)}] {name}  {outcome.seconds:.1f} s  {word}", flush=True)
        if outcome.fault:
            failed += 1
            print(outcome.fault, file=sys.stderr, flush=True)
        else:
            store.save(keys[name], outcome.notebook)
            store.publish(name, outcome.notebook)
    return failed


def _run_all(chapters: list[Chapter], jobs: int) -> Iterator[Outcome]:
    pool = ThreadPoolExecutor(max_workers=jobs)
    try:
        yield from (
            f.result() for f in as_completed(pool.submit(run_in_process, c) for c in chapters)
        )
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in list(_running):
            process.kill()


def main() -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "chapters", nargs="*", metavar="CHAPTER", help="such as week01/chain_rule (default: all)"
    )
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="chapters at once (default: cores)"
    )
    parser.add_argument("--force", action="store_true", help="run even what is up to date")
    options = parser.parse_args()
    try:
        chapters = find_chapters(options.chapters)
        if not options.chapters:
            store.withdraw({chapter.name for chapter in chapters})
        return 1 if execute(chapters, max(1, options.jobs), options.force) else 0
    except KeyError as error:
        print(error.args[0], file=sys.stderr)
    except OSError as error:
        where = error.filename or "the build folder"
        print(f"cannot write {where}: {error.strerror}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted; finished chapters are kept, the others run next time", file=sys.stderr)
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())

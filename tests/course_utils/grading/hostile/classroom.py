"""A class of a thousand, graded twice: once undisturbed, once killed at random moments.

    python classroom.py 1000

Runs under the outer guard, which it enters by itself, since some of the class are hostile. The
command of the instructor grades all of them with two jobs. Then it grades them again into another
folder and is killed again and again without warning, and the same command goes on each time. What
both found has to be the same, the seconds aside.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import guard
import psutil

HERE = Path(__file__).resolve().parent
SLIPS = (
    ("total = total + row.gather", "total = total - row.gather"),
    (".log_softmax(-1).expand", ".softmax(-1).log2().expand"),
    ("* (context + 1)) + smoothing", "* (context + 1))"),
    ("x.unfold(1, context + 1, 1)", "x.reshape(1, -1).unfold(1, context + 1, 1)"),
    ("matrix_power(transition, 1000)[0]", "matrix_power(transition, 0)[0]"),
    ("(transition * transition.log()).sum(1)", "(transition * transition.log2()).sum(1)"),
    ("/ math.log(2)", "* math.log(2)"),
    ('math.log2(data["highest_level"] + 1)', 'math.log2(data["highest_level"])'),
    ("order.argsort() + 1", "order + 1"),
    ("after[:, None] >= before", "after[:, None] > before"),
    ("before = before + x[:, i : i + 1]", "before = before - x[:, i : i + 1]"),
    ("range(400)", "range(12)"),
)
"""Mistakes in the master's answers, each of which costs the points of one question, or some."""
BREAKS = ("def broken(:\n    pass\n", "1 / 0\n", "import no_such_module\n", "x = (\n")
SHARES = {"right": 45, "wrong": 30, "unfinished": 10, "blank": 4, "broken": 6, "hostile": 5}
"""Of a hundred submissions."""
KILLS = 12


def write_class(folder: Path, size: int, seed: int = 0) -> Counter:
    """Write the files of a class, all different, and return how many there are of each kind."""
    chance = random.Random(seed)
    folder.mkdir(parents=True)
    kinds = [kind for kind, share in SHARES.items() for _ in range(share)]
    counts: Counter = Counter()
    for number in range(size):
        kind = kinds[number % len(kinds)] if size >= len(kinds) else chance.choice(kinds)
        suffix, data = globals()[f"_{kind}"](chance, counts[kind])
        mark = f"\n# student {number}\n".encode() if suffix == ".py" else b""
        (folder / f"s{number:04}-{kind}{suffix}").write_bytes(data + mark)
        counts[kind] += 1
    return counts


def _master() -> str:
    return (guard.ROOT / "solutions" / "week01.py").read_text(encoding="utf-8")


def _right(chance: random.Random, number: int) -> tuple[str, bytes]:
    return ".py", _master().encode()


def _wrong(chance: random.Random, number: int) -> tuple[str, bytes]:
    text = _master()
    for right, wrong in chance.sample(SLIPS, chance.randint(1, 4)):
        assert right in text, right
        text = text.replace(right, wrong)
    return ".py", text.encode()


def _unfinished(chance: random.Random, number: int) -> tuple[str, bytes]:
    """The master without the answers from some question on."""
    parts = re.split(r"(?m)^(?=\s*# begin answer )", _master())
    kept = "".join(parts[: chance.randint(1, len(parts) - 1)])
    return ".py", kept.encode()


def _blank(chance: random.Random, number: int) -> tuple[str, bytes]:
    return ".ipynb", (guard.ROOT / "exercises" / "week01.ipynb").read_bytes() + b" " * number


def _broken(chance: random.Random, number: int) -> tuple[str, bytes]:
    notebook = (guard.ROOT / "exercises" / "week01.ipynb").read_bytes()
    found = [(".py", f"# %%\n{text}{_master()}".encode()) for text in BREAKS]
    found += [(".ipynb", notebook[: 500 + 7 * number]), (".py", bytes(range(number % 9, 200)))]
    found += [(".ipynb", b'{"cells": [], "metadata": {"language_info": {"name": "R"}}}')]
    return found[number % len(found)]


def _hostile(chance: random.Random, number: int) -> tuple[str, bytes]:
    cases = sorted((HERE / "cases").glob("*.txt"))
    text = cases[(7 * number) % len(cases)].read_text(encoding="utf-8", errors="surrogateescape")
    return ".py", (text + "\n" + _master()).encode("utf-8", "surrogateescape")


def _command(folder: Path, out: Path) -> list[str]:
    words = [sys.executable, "-m", "course_utils.grading", "grade", "week01", str(folder)]
    return [*words, "--out", str(out), "--jobs", "2", "--isolation", "bubblewrap"]


class Peak(threading.Thread):
    """Watches the memory of this process's tree, each page counted once; in bytes."""

    def __init__(self):
        super().__init__(daemon=True)
        self.most = self.processes = 0

    def run(self) -> None:
        while True:
            total, tree = 0, psutil.Process().children(recursive=True)
            for process in tree:
                try:
                    total += process.memory_full_info().pss
                except (psutil.Error, AttributeError):
                    continue
            self.most, self.processes = max(self.most, total), max(self.processes, len(tree))
            time.sleep(1.0)


def grade(folder: Path, out: Path) -> float:
    """Run the command to its end; seconds on the clock."""
    began = time.monotonic()
    subprocess.run(_command(folder, out), stdout=subprocess.DEVNULL, stderr=sys.stderr, check=False)
    return time.monotonic() - began


def grade_with_kills(folder: Path, out: Path, size: int, chance: random.Random) -> list[int]:
    """Kill the command at random moments until enough are graded; how many were known each time."""
    known: list[int] = []
    for _ in range(KILLS):
        with subprocess.Popen(_command(folder, out), stdout=subprocess.DEVNULL) as process:
            aim = (known[-1] if known else 0) + chance.randint(1, max(2, 2 * size // KILLS - 2))
            while process.poll() is None and len(list(out.glob("results/*.json"))) < aim:
                time.sleep(0.05)
            time.sleep(chance.uniform(0, 2))
            process.kill()
        known.append(len(list(out.glob("results/*.json"))))
        if known[-1] >= size:
            break
    grade(folder, out)
    return known


def graded(out: Path) -> dict[str, dict]:
    """All results of a folder by name, without the seconds they took."""
    found = {path.stem: json.loads(path.read_text()) for path in out.glob("results/*.json")}
    for result in found.values():
        del result["seconds"]
    return found


def differences(first: dict[str, dict], second: dict[str, dict]) -> list[str]:
    """Names of submissions whose results differ, with what differs."""
    found = [f"{name}: missing" for name in sorted(set(first) ^ set(second))]
    for name in sorted(set(first) & set(second)):
        if first[name] != second[name]:
            found.append(f"{name}: {first[name]} | {second[name]}")
    return found


def report(size: int) -> dict:
    """Grade a class twice, and say what came of it."""
    guard.enter()
    os.environ.update(COURSE_GRADING_SEED="20261", HOME="/tmp", MPLCONFIGDIR="/tmp/matplotlib")
    folder, chance = Path("/tmp/class"), random.Random(1)
    counts = write_class(folder, size)
    peak = Peak()
    peak.start()
    seconds = grade(folder, Path("/tmp/quiet"))
    quiet = graded(Path("/tmp/quiet"))
    told = {
        "submissions": dict(counts),
        "graded": len(quiet),
        "seconds_on_the_clock": round(seconds, 1),
        "seconds_per_submission": round(seconds / size, 2),
        "peak_memory_mib": peak.most // 2**20,
        "peak_processes": peak.processes,
        "mean_score": {
            kind: round(
                sum(r["score"] for n, r in quiet.items() if n.endswith(kind)) / max(1, number), 2
            )
            for kind, number in counts.items()
        },
        "forged": sorted(n for n, r in quiet.items() if r["score"] > 90),
    }
    print(json.dumps(told), flush=True)
    known = grade_with_kills(folder, Path("/tmp/killed"), size, chance)
    killed = graded(Path("/tmp/killed"))
    tables = [Path(f"/tmp/{name}/grades.csv").read_bytes() for name in ("quiet", "killed")]
    others = [p for p in psutil.process_iter() if p.pid not in (1, os.getpid(), os.getppid())]
    left = psutil.wait_procs(others, timeout=5)[1]  # what is just ending may do so
    return {
        "known_at_each_kill": known,
        "graded": len(killed),
        "differences": differences(quiet, killed),
        "same_table": tables[0] == tables[1],
        "processes_left": [str(process) for process in left],
    }


def main() -> None:
    """Enter the guard, or do the work if this is its inside."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("size", type=int)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        print(json.dumps(report(asked.size)), flush=True)
    else:
        arguments = [str(Path(__file__).resolve()), str(asked.size), "--inside"]
        sys.exit(subprocess.run(guard.words(*arguments)).returncode)


if __name__ == "__main__":
    main()

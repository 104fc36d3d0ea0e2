"""Command line of the benchmarks; see the package's docstring."""

import argparse
import csv
import importlib.metadata
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch
from tqdm import tqdm

from benchmarks import (
    classical,
    features,
    hidden_states,
    likelihoods,
    quantiser,
    signals,
    stepwise,
    text,
    transformers,
    transport,
    worlds,
)
from benchmarks.race import Result, Work, race

WORK: tuple[Work, ...] = (
    *transport.WORK,
    *features.WORK,
    *likelihoods.WORK,
    *text.WORK,
    *transformers.WORK,
    *worlds.WORK,
    *signals.WORK,
    *stepwise.WORK,
    *quantiser.WORK,
    *classical.WORK,
    *hidden_states.WORK,
)
COLUMNS = ("work", "peer", "ours ms", "peer ms", "ratio", "quartiles", "difference")


def main(arguments: list[str] | None = None) -> int:
    """Race what was asked for and print one line each."""
    options = _parser().parse_args(arguments)
    known = {work.name: work for work in WORK}
    unknown = [name for name in options.names if name not in known]
    if unknown:
        print(f"names: expected some of {', '.join(known)}, got {unknown[0]!r}", file=sys.stderr)
        return 2
    chosen = [known[name] for name in options.names] or list(WORK)
    if options.list:
        for work in chosen:
            print(f"{work.name:12} {work.says} (beside {work.peer})")
        return 0
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, {options.pairs} pairs; ratio = peer / ours")
    print(_line(COLUMNS))
    rows = []
    for work in tqdm(chosen, leave=False, disable=None):
        if not work.installed:
            tqdm.write(f"{work.name}: left out, {work.peer} is not installed (make benchmarks)")
            continue
        rows.append(_row(race(work, options.pairs)))
        tqdm.write(_line(rows[-1]))
    if options.csv:
        with Path(options.csv).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([COLUMNS, *rows])
    return 0


_WIDTHS = (14, 26, 9, 9, 7, 14, 10)


def _line(cells: tuple[str, ...]) -> str:
    first, *others = zip(cells, _WIDTHS, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)])


def _row(result: Result) -> tuple[str, ...]:
    low, middle, high = result.quartiles()
    return (
        result.work.name,
        f"{result.work.peer} {_version(result.work.peer)}",
        f"{1e3 * result.ours:.3g}",
        f"{1e3 * result.theirs:.3g}",
        f"{middle:.2f}",
        f"{low:.2f} to {high:.2f}",
        f"{result.difference:.1e}",
    )


def _version(module: str) -> str:
    names = importlib.metadata.packages_distributions().get(module, [])
    return importlib.metadata.version(names[0]) if names else ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Our code beside other libraries."
    )
    parser.add_argument("names", nargs="*", help="pieces of work; all without any")
    parser.add_argument("--list", action="store_true", help="say what there is, and stop")
    parser.add_argument("--pairs", type=int, default=7, metavar="N", help="interleaved pairs (7)")
    parser.add_argument("--csv", metavar="FILE", help="write the table to a file too")
    return parser


if __name__ == "__main__":
    sys.exit(main())

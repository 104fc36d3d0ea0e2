"""Execute one chapter in this process's own kernel and write what came as JSON.

python tools/run_chapter.py week01/chain_rule result.json
"""

import json
import os
import resource
import sys
from pathlib import Path

import nbformat
from jupyter_cache.executors.utils import single_nb_execution

import audit
import provenance
from chapters import ROOT, find_chapters

KERNEL_ENVIRONMENT = {
    "COURSE_PROGRESS": "0",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "COURSE_FIGURES": "stored",
    "PYTHONHASHSEED": "0",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}


def run(name: str) -> dict[str, str]:
    """Execute the chapter; return its notebook as JSON text and its fault, empty if it passed."""
    (chapter,) = find_chapters([name])
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = single_nb_execution(
        chapter.read(),
        cwd=str(chapter.path.parent),
        timeout=int(chapter.limit),
        allow_errors=False,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    result.nb.metadata["course"] = {
        **result.nb.metadata.get("course", {}),
        "cpu_seconds": round(
            after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1
        ),
        "wall_seconds": round(result.time, 1),
        **provenance.of_execution(ROOT),
    }
    return {"notebook": nbformat.writes(result.nb), "fault": _fault(result, chapter.limit)}


def _fault(result, limit: float) -> str:
    if result.err is not None:
        return result.exc_string if "Timeout" in type(result.err).__name__ else str(result.err)
    lines = list(audit.faults(result.nb))
    if result.time > limit:
        lines.append(f"took {result.time:.0f} s of wall time, its limit is {limit:.0f} s")
    return "\n".join(lines)


if __name__ == "__main__":
    os.environ.update(KERNEL_ENVIRONMENT)
    Path(sys.argv[2]).write_text(json.dumps(run(sys.argv[1])), encoding="utf-8")

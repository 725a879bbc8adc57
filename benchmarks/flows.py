"""Flows, curves and their models beside the fastest peers: same data, same answers, then the time.

Every side runs in a process of its own, one after the other; peers that cannot share our environment get one each, made
by pip in a cache folder outside the project. CPU seconds are those of the call alone (quickest of up to three), memory
is the peak of the whole process, data and interpreter included. Answers are compared with ours before a time is printed.

    python benchmarks/flows.py --rows 100000 1000000 10000000

What was measured before stays in ``flows.json`` until it is measured again, so that tasks can be run one by one; ``--peers fastest``
runs our sides beside the peer that was the fastest at that size, and lets the others' figures stand if they are of this machine.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import itertools
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np
from flows_tasks import Side, Task

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "partnerlab-peers"
#: Bytes that a side may ask for.
MOST_MEMORY = 18_000_000_000
#: Linear algebra of every side runs on one thread: others spin while they wait, and their seconds would be counted.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
#: What pip is asked for; pandas 3 would make pip take an old lifelines silently.
PEERS = {
    "lifelines": ["lifelines==0.30.3"],
    "scikit-survival": ["scikit-survival==0.28.0"],
    "pyfixest": ["pyfixest==0.60.0"],
    "linearmodels": ["linearmodels==7.1"],
    "csdid": ["csdid==0.4.3"],
    "diff-diff": ["diff-diff==3.13.0"],
    "doubleml": ["doubleml==0.11.4"],
    "tea-tasting": ["tea-tasting==1.14.0", "duckdb", "ibis-framework[duckdb]", "polars", "pyarrow", "pandas"],
}

_R_FRAME = """
read <- function(name, kind, n) readBin(file.path(folder, name), kind, n = n, size = if (kind == "integer") 4 else 8)
x <- as.data.frame(lapply(spec, function(one) read(one$file, one$kind, one$n)))
run <- function(x) { {SCRIPT}
  answer }
seconds <- c()
while (length(seconds) < 3 && sum(seconds) < 20) {
  start <- proc.time()
  answer <- run(x)
  seconds <- c(seconds, sum((proc.time() - start)[1:2]))
}
status <- readLines("/proc/self/status")
peak <- as.numeric(gsub("[^0-9]", "", grep("^VmHWM", status, value = TRUE))) / 1e6
said <- paste0('"', names(answer), '": ', sprintf("%.15g", answer), collapse = ", ")
cat('{"answer": {', said, '}, "seconds": ', min(seconds), ', "peak": ', peak, '}', sep = "")
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Page:
    """What is measured together: modules with ``TASKS``; the page's name (``NAME.md``, ``NAME.json``), title and first words."""

    name: str
    title: str
    told: str
    modules: tuple[str, ...]


def environment(name: str) -> str:
    """Give the interpreter of an environment, making it first where it is not there."""
    if name == "ours":
        return sys.executable
    home = CACHE / name
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS[name]], check=True)
    return str(python)


def run_side(module: str, task: Task, side: Side, folder: Path) -> dict | str:
    """Run one side in its own process; gives its answer, seconds and peak memory, or why there is none."""
    command = (
        [environment(side.environment), str(HERE / "flows_side.py"), module, task.name, side.name, str(folder)]
        if callable(side.run)
        else ["Rscript", "-e", _r_script(side, folder)]
    )
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=out, stderr=errors, cwd=HERE, env=os.environ | ONE_THREAD)
        resource.prlimit(process.pid, resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))  # a side fails by itself before the machine does
        status = process.wait()
        out.seek(0)
        errors.seek(0)
        if status:
            last = errors.read().decode(errors="replace").strip().splitlines()
            return "out of memory" if status == -9 or (last and "MemoryError" in last[-1]) else f"failed: {last[-1] if last else status}"
        return json.loads(out.read().decode().strip().splitlines()[-1])


def _r_script(side: Side, folder: Path) -> str:
    """Write the R script of a side: it reads the arrays as they stand on disk."""
    spec = []
    for path in sorted(folder.glob("*.npy")):
        values = np.load(path, mmap_mode="r")
        kind, dtype = ("integer", np.int32) if values.dtype.kind in "iub" else ("double", np.float64)
        raw = path.with_suffix(".bin")
        if not raw.exists():
            np.asarray(values, dtype=dtype).tofile(raw)
        spec.append(f'{path.stem} = list(file = "{raw.name}", kind = "{kind}", n = {len(values)})')
    head = f'folder <- "{folder}"\nspec <- list({", ".join(spec)})'
    return head + _R_FRAME.replace("{SCRIPT}", str(side.run))


def same(ours: dict[str, float], theirs: dict[str, float], rtol: float) -> list[str]:
    """Name the answers that both give and that differ."""
    shared = [name for name in theirs if name in ours]
    if not shared:
        return ["no answer in common"]
    return [name for name in shared if not np.isclose(theirs[name], ours[name], rtol=rtol, atol=1e-12)]


def machine() -> str:
    """Cores and processor."""
    cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    return f"{os.cpu_count()} cores ({cpu or platform.machine()})"


def kept_peers(lines: list[dict], task: Task, rows: int, peers: str) -> dict[str, dict]:
    """Lines of peers that are not measured again: none, all, or all but the fastest."""
    here = [line for line in lines if (line["task"], line["rows"]) == (task.name, rows) and not line["ours"]]
    here = [line for line in here if line.get("machine") == machine()]
    timed = [line for line in here if line["seconds"] is not None]
    if peers == "all" or (peers == "fastest" and not timed):
        return {}
    best = min(timed, key=lambda line: line["seconds"])["side"] if peers == "fastest" else None
    return {line["side"]: line for line in here if line["side"] != best}


def measure(module: str, task: Task, rows: int, folder: Path, kept: dict[str, dict]) -> list[dict]:
    """Time all sides of one task but those whose lines are kept; a side whose answers differ gets no time."""
    for name, values in task.draw(rows).items():
        np.save(folder / f"{name}.npy", values)
    lines, reference = [], None
    for side in task.sides:
        if side.name in kept:
            lines.append(kept[side.name])
            continue
        line = {"task": task.name, "rows": rows, "side": side.name, "ours": side.ours, "seconds": None, "peak": None, "said": ""}
        line |= {"machine": machine(), "load": round(os.getloadavg()[0], 1)}
        if rows > side.limit:
            lines.append(line | {"said": "not tried"})
            continue
        found = run_side(module, task, side, folder)
        if isinstance(found, str):
            lines.append(line | {"said": found})
        elif reference is not None and (apart := same(reference, found["answer"], side.rtol)):
            lines.append(line | {"said": f"answers differ: {', '.join(apart)}"})
        else:
            reference = reference or found["answer"]
            lines.append(line | {"seconds": found["seconds"], "peak": found["peak"]})
        print(json.dumps(lines[-1]), flush=True)
    return lines


def write(lines: list[dict], tasks: dict[str, Task]) -> str:
    """Write the tables: seconds and memory by size, ratios against the fastest peer, growth."""
    text = []
    for name, task in tasks.items():
        mine = [line for line in lines if line["task"] == name]
        if not mine:
            continue
        sizes = sorted({line["rows"] for line in mine})
        text += [f"## {name}", "", "| side | " + " | ".join(f"{rows:,} rows" for rows in sizes) + " | growth |"]
        text.append("|---|" + "---|" * (len(sizes) + 1))
        for side in task.sides:
            cells = {line["rows"]: line for line in mine if line["side"] == side.name}
            said = [_cell(cells[rows]) if rows in cells else "" for rows in sizes]
            text.append(f"| {side.name} | " + " | ".join(said) + f" | {_growth(cells, sizes)} |")
        text += ["", *_verdicts(mine, sizes, task), ""]
    return "\n".join(text)


def _cell(line: dict) -> str:
    mark = "" if line.get("load") is not None else "†"
    return f"{line['seconds']:.3g} s{mark}, {line['peak']:.1f} GB" if line["seconds"] is not None else line["said"]


def _growth(cells: dict[int, dict], sizes: list[int]) -> str:
    """Seconds at each size over those at the size before."""
    known = [cells[rows]["seconds"] if rows in cells else None for rows in sizes]
    ratios = [f"x{after / before:.1f}" if before and after else "" for before, after in itertools.pairwise(known)]
    return ", ".join(ratio for ratio in ratios if ratio)


def _verdicts(lines: list[dict], sizes: list[int], task: Task) -> list[str]:
    """Say how our first side stands against the fastest peer at each size."""
    said = []
    for rows in sizes:
        here = [line for line in lines if line["rows"] == rows and line["seconds"] is not None]
        peers = [line for line in here if not line["ours"]]
        ours = next((line for line in here if line["ours"]), None)
        if not peers or ours is None:
            continue
        best = min(peers, key=lambda line: line["seconds"])
        ratio = best["seconds"] / ours["seconds"]
        bar = f"; the bar is {task.bar:g}" if rows >= 1_000_000 and task.bar > 1 else ""
        said.append(f"{rows:,} rows: {ratio:.1f} times the fastest peer ({best['side']}){bar}.")
    return [" ".join(said)]


def versions(tasks: dict[str, Task]) -> str:
    """Machine and versions in a line."""
    import pandas as pd
    import statsmodels

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    used = {side.environment for task in tasks.values() for side in task.sides}
    peers = [name.replace("==", " ") for place, wanted in PEERS.items() if place in used for name in wanted if "==" in name]
    if "R" in used:
        asked = 'cat(R.version.string, "survival", as.character(packageVersion("survival")))'
        peers.append(subprocess.run(["Rscript", "-e", asked], capture_output=True, text=True, check=False).stdout)
    ours = f"Python {platform.python_version()}, numpy {np.__version__}, pandas {pd.__version__}, statsmodels {statsmodels.__version__}"
    return f"{machine()}, {memory:.0f} GB; {ours}; {', '.join(peers)}"


def say_loads(lines: list[dict]) -> str:
    """Say what else the machine did."""
    loads = [line["load"] for line in lines if line.get("load") is not None and line["seconds"] is not None]
    before = sum(line.get("load") is None and line["seconds"] is not None for line in lines)
    said = []
    if loads:
        said.append(
            f"Load of the machine when a side began, the side before it counted: median {np.median(loads):.1f}, at most {max(loads):.1f}."
        )
        said.append("Linear algebra ran on one thread on every side.")
    if before:
        said.append(
            "† measured earlier on the same machine, beside other work that was not counted, and with as many threads as each side likes."
        )
    return " ".join(said)


def run(page: Page) -> None:
    """Measure the tasks asked for and write the page; what was measured before stays until it is measured again."""
    parser = argparse.ArgumentParser(description=page.told)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--only", default="", help="part of a task's name")
    parser.add_argument(
        "--peers",
        choices=("all", "fastest", "none"),
        default="all",
        help="measured again; those without a line always are",
    )
    asked = parser.parse_args()
    kept = HERE / f"{page.name}.json"
    lines, tasks = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else [], {}
    for module in page.modules:
        for task in importlib.import_module(module).TASKS:
            tasks[task.name] = task
            if asked.only.lower() not in task.name.lower():
                continue
            for rows in asked.rows:
                with tempfile.TemporaryDirectory() as folder:
                    found = measure(module, task, rows, Path(folder), kept_peers(lines, task, rows, asked.peers))
                lines = [line for line in lines if (line["task"], line["rows"]) != (task.name, rows)] + found
                kept.write_text(json.dumps(lines, indent=0) + "\n", encoding="utf-8")
    text = f"# {page.title}\n\n{page.told}\n\n{versions(tasks)}.\n{say_loads(lines)}\n\n{write(lines, tasks)}"
    (HERE / f"{page.name}.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    run(
        Page(
            name="flows",
            title="Flows and curves beside their peers",
            told=__doc__.split("\n\n")[1],
            modules=("flows_tasks", "flows_regressions"),
        )
    )

"""Run one side of one task in this interpreter: ``python flows_side.py MODULE TASK SIDE FOLDER``; prints JSON."""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

import numpy as np

#: A side is run again until it has taken this long, three times at most; the quickest run counts.
ENOUGH_SECONDS = 20.0


def peak() -> float:
    """Most memory that this process has held, GB; what its parent held does not count."""
    line = next(line for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e6


def main() -> None:
    """Load the arrays, run, and say what came out and how long it took."""
    module, task_name, side_name, folder = sys.argv[1:]
    tasks = importlib.import_module(module).TASKS
    task = next(task for task in tasks if task.name == task_name)
    side = next(side for side in task.sides if side.name == side_name)
    arrays = {path.stem: np.load(path) for path in sorted(Path(folder).glob("*.npy"))}
    small = {name: values[:2000] for name, values in arrays.items()}
    prepare = side.prepare or (lambda given: given)
    try:
        side.run(prepare(small))  # imports and first calls are not timed
    except Exception as error:
        print(f"warm-up failed: {error}", file=sys.stderr)
    given = prepare(arrays)
    seconds: list[float] = []
    while len(seconds) < 3 and sum(seconds) < ENOUGH_SECONDS:
        start = time.process_time()
        answer = side.run(given)
        seconds.append(time.process_time() - start)
    print(json.dumps({"answer": {name: float(value) for name, value in answer.items()}, "seconds": min(seconds), "peak": peak()}))


if __name__ == "__main__":
    main()

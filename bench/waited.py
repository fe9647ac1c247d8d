"""Run a command, and write what it cost: ``python waited.py COST COMMAND…``.

The kernel counts as peak of a process at least what the one weighed that started it. So this one
imports little, whatever the benchmark has imported.
"""

import ctypes
import json
import os
import resource
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

#: Of prctl (2): whoever loses its parent becomes a child of this process, and is counted with it.
_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    started = time.monotonic()
    process = subprocess.Popen(sys.argv[2:])
    process.wait()
    wall_s = time.monotonic() - started
    with suppress(ChildProcessError):
        while True:
            os.wait()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cost = {
        "wall_s": wall_s,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss * 1024 / 1e6,
    }
    Path(sys.argv[1]).write_text(json.dumps(cost), "utf-8")
    sys.exit(process.returncode != 0)


if __name__ == "__main__":
    main()

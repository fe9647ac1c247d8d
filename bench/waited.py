"""Run a command, and write what it cost: ``python waited.py COST COMMAND…``.

The kernel counts as peak of a process at least what the one weighed that started it. So this one
imports little, whatever the benchmark has imported.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    started = time.monotonic()
    process = subprocess.Popen(sys.argv[2:])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    cost = {
        "wall_s": time.monotonic() - started,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss * 1024 / 1e6,
    }
    Path(sys.argv[1]).write_text(json.dumps(cost), "utf-8")
    sys.exit(process.returncode != 0)


if __name__ == "__main__":
    main()

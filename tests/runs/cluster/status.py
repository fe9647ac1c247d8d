"""Print the state of a job of the pretend cluster of ``submit.py``."""

import os
import sys
from pathlib import Path

rc = Path(os.environ["PRETEND_CLUSTER"]) / f"{sys.argv[1]}.rc"
state = "running" if not rc.exists() else "success" if rc.read_text() == "0\n" else "failed"
print(state)  # noqa: T201

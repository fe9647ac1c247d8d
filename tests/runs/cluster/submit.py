"""Submit a job script to a pretend cluster: record what it requests, run it, print its number.

The folder PRETEND_CLUSTER holds ``N.json`` (what job N asked for) and ``N.rc`` (how it ended).
The first job of the rule PRETEND_LOST_NODE ends at once, as if its node had gone; the first one of
the rule PRETEND_LITTLE_MEMORY may not have as much memory as torch takes. PRETEND_MOUNTS are two
folders: where the submitting machine has the first, jobs have the second, as on another machine.
"""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

folder = Path(os.environ["PRETEND_CLUSTER"])
script = Path(sys.argv[1]).resolve()
line = next(s for s in script.read_text("utf-8").splitlines() if s.startswith("# properties = "))
asked = json.loads(line.removeprefix("# properties = "))

number = len(list(folder.glob("*.json"))) + 1
earlier = [json.loads(path.read_text("utf-8"))["rule"] for path in folder.glob("*.json")]
(folder / f"{number}.json").write_text(json.dumps(asked), "utf-8")
rule = asked["rule"]
command = f"sh {shlex.quote(str(script))}"
if rule not in earlier:
    if rule == os.environ.get("PRETEND_LOST_NODE"):
        command = "false"
    if rule == os.environ.get("PRETEND_LITTLE_MEMORY"):
        command = f"ulimit -v 600000; {command}"
if mounts := os.environ.get("PRETEND_MOUNTS"):
    here, there = mounts.split()
    # The working directory is that of the first mount until it is entered again.
    inside = (
        f"mount --bind {there} {here} && cd / && cd {shlex.quote(str(Path.cwd()))} && {command}"
    )
    command = f"unshare --mount sh -c {shlex.quote(inside)}"
out, rc = (shlex.quote(str(folder / f"{number}.{kind}")) for kind in ("out", "rc"))
subprocess.Popen(
    ["sh", "-c", f"{command} > {out} 2>&1; echo $? > {rc}.new; mv {rc}.new {rc}"],
    stdin=subprocess.DEVNULL,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
    start_new_session=True,
)
print(number)  # noqa: T201

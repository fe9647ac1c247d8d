"""The commands of rules, read as calls: only one call of nucwsi with a log is a call."""

import shlex

import pytest

from nucwsi.workflow.calls import Call, call_of


def test_names_with_blanks_and_quotes_stay_whole():
    words = ["tile", "it's a.svs", "-o", 'a "b" $HOME.zip', "2>", "> x 2>&1", "a|b"]
    log = "logs/a b/tile.log"
    called = call_of(f"nucwsi {shlex.join(words)} 2> {shlex.quote(log)}", "b.tsv")
    assert called == Call(words, log, has_output=False, benchmark="b.tsv")


def test_a_log_may_get_the_output_as_well():
    assert call_of("nucwsi correct a > 'b c.log' 2>&1") == Call(
        ["correct", "a"], "b c.log", True, ""
    )


@pytest.mark.parametrize(
    "command",
    [
        "nucwsi check a 2>&1 | tee a.log",
        "nucwsi tile a && nucwsi predict a 2> a.log",
        "nucwsi tile a",
        "snakemake 2> a.log",
        "",
    ],
)
def test_another_command_is_left_to_the_shell(command):
    assert call_of(command) is None

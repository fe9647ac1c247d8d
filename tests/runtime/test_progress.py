"""Progress: lines in a log with an honest rate, a bar on a terminal, nothing on standard output."""

import io
import sys
from types import SimpleNamespace

import pytest

from nucwsi.runtime import progress as module
from nucwsi.runtime.progress import progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds that the test sets."""
    now = [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_a_log_has_few_lines_and_the_rate_of_this_run_alone(clock, caplog):
    caplog.set_level("INFO")
    with progress("tile", 100, "tiles") as advance:
        advance(10, earlier=True)
        clock[0] = 20
        advance(5)
        assert not caplog.messages, "half a minute is not over"
        clock[0] = 40
        advance(15)
        clock[0] = 50
        advance(70)
    # 20 tiles in 40 s; 70 are left.
    assert caplog.messages == ["30 of 100 tiles, 0.50/s, 140 s left", "90 tiles in 50.0 s"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_shows_a_bar_on_standard_error(clock, monkeypatch, capsys, caplog):
    caplog.set_level("INFO")
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("predict", 8, "tiles") as advance:
        clock[0] = 1
        advance(4, earlier=True)
        clock[0] = 2
        advance(4)
    assert "predict" in terminal.getvalue()
    assert "8/8" in terminal.getvalue()
    assert "2.00 tiles/s" in terminal.getvalue()
    assert capsys.readouterr().out == ""
    assert not caplog.messages

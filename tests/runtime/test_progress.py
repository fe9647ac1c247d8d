"""Progress: lines in a log with an honest rate, a bar on a terminal, nothing on standard output."""

import io
import sys
from types import SimpleNamespace

import pytest

from nucwsi.runtime import progress as module
from nucwsi.runtime.progress import progress, reached


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
        clock[0] = 0.5
        advance(1)
        assert not caplog.messages, "a second is not over"
        clock[0] = 40
        advance(19)
        clock[0] = 43
        advance(1)
        assert len(caplog.messages) == 1, "a tenth of the time so far is not over"
        clock[0] = 50
        advance(69)
    # 20 tiles in 40 s, 70 left; 90 tiles in 50 s.
    assert caplog.messages == [
        "30 of 100 tiles, 0.50/s, 140 s left",
        "100 of 100 tiles, 1.80/s, 0 s left",
        "90 tiles in 50.0 s",
    ]


def test_a_log_of_hours_stays_short(clock, caplog):
    caplog.set_level("INFO")
    with progress("predict", 36_000, "tiles") as advance:
        for second in range(1, 36_001):
            clock[0] = second
            advance(1)
    assert len(caplog.messages) < 36_000 / 30 + 60


def test_what_a_log_tells_can_be_read(clock, caplog):
    caplog.set_level("INFO")
    with progress("tune", 8, "sets of constants") as advance:
        clock[0] = 2
        advance(3)
    assert reached("12:00:01 " + caplog.messages[0] + "\n") == (3, 8, "sets of constants", 1.5)
    assert reached("\n".join(caplog.messages)) is None, "the loop has ended"
    assert reached("") is None


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

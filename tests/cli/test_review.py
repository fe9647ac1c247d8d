"""What the commands of a review ask for; their work is tested in steps."""

from commands import run


def test_answers_are_needed_and_the_help_names_the_forms():
    assert "ANSWERS" in run("correct", "results").output
    shown = " ".join(run("correct", "--help").output.split())
    assert "QuPath exports" in shown
    assert "--blind / --no-blind" in run("review", "--help").output

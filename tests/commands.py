"""The real command line, run in this process."""

from click.testing import CliRunner

from nucwsi.cli.commands import main


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def succeeded(*words):
    result = run(*words)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def refused(*words, code=1):
    """Return the one line that a command ends with."""
    result = run(*words)
    assert result.exit_code == code, (result.output, result.exception)
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    lines = result.output.splitlines()
    assert len(lines) == 1, result.output
    assert lines[0].startswith(f"nucwsi {words[0]}: ")
    return lines[0]

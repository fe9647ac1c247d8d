"""How settings become options of the command line, and errors become one line for the user."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from nucwsi.cli.process import EXIT_MEMORY
from nucwsi.config import Config, Section, validated
from nucwsi.errors import ConfigError, NucwsiError, lacks_memory

Command = TypeVar("Command", bound=Callable[..., None])

_MORE_MEMORY = (
    "not enough memory; allow more (the job's mem_mb, `ulimit -v`), or set fewer threads, a smaller"
    " core_px or a smaller batch_size"
)


class _File(click.Path):
    """A file or folder whose name tables, pages and Snakemake can hold."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = super().convert(value, param, ctx)
        try:
            str(path).encode()
        except UnicodeEncodeError:
            raise ConfigError(f"{str(path)!a}: its name is not UTF-8; rename it") from None
        return path


#: A message of more characters loses its middle.
_LONGEST_LINE = 800

#: Type of arguments that are files or folders.
FILE = _File(path_type=Path)


def listed(
    ctx: click.Context | None,  # noqa: ARG001 (click's signature)
    param: click.Parameter | None,  # noqa: ARG001
    values: tuple[Path, ...],
) -> tuple[Path, ...]:
    """Replace ``@LIST`` by the paths that stand in the file LIST, one a line.

    The system limits the length of a command line to some thousand paths.

    Parameters
    ----------
    ctx, param : click.Context and click.Parameter, optional
        Not used; the signature is click's.
    values : tuple of pathlib.Path
        Paths as they were given.

    Returns
    -------
    tuple of pathlib.Path
        All paths, in their order.

    Raises
    ------
    ConfigError
        If a list cannot be read, or is empty.
    """
    found: list[Path] = []
    for value in values:
        if not str(value).startswith("@") or value.exists():
            found.append(value)
            continue
        try:
            lines = Path(str(value)[1:]).read_text("utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise ConfigError(f"{value}: is no list of files: {error}") from None
        if not any(lines):
            raise ConfigError(f"{value}: is an empty list; expected a path in each line")
        found += [Path(line) for line in lines if line]
    return tuple(found)


class Commands(click.Group):
    """A group that shows a user's mistake as one line, and lists commands as they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Return the names of the commands in the order of the pipeline.

        Parameters
        ----------
        ctx : click.Context
            Not used; the signature is click's.

        Returns
        -------
        list of str
            In the order in which the commands were added, where click would sort them by name.
        """
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error that a user can mend ends the process with one line.

        Parameters
        ----------
        ctx : click.Context
            Holds the command and its arguments.

        Returns
        -------
        object
            What the command returns.
        """
        try:
            return super().invoke(ctx)
        except Exception as error:
            if lacks_memory(error):
                _fail(ctx, _MORE_MEMORY, EXIT_MEMORY)
            if isinstance(error, NucwsiError):
                _fail(ctx, str(error), 2 if isinstance(error, ConfigError) else 1)
            raise


def _fail(ctx: click.Context, message: str, code: int) -> NoReturn:
    verb = f"nucwsi {ctx.invoked_subcommand or ''}".strip()
    line = " ".join(message.split())
    if len(line) > _LONGEST_LINE:
        # Files quote themselves; the way out stands at the end.
        line = f"{line[: _LONGEST_LINE // 2]} … {line[-_LONGEST_LINE // 2 :]}"
    click.echo(f"{verb}: {line}", err=True)
    sys.exit(code)


def options(section: type[Section]) -> Callable[[Command], Command]:
    """Return a decorator that adds an option to a command for each setting of a section.

    The value of such an option stays text; `settings_of` validates it.

    Parameters
    ----------
    section : type
        Subclass of `Section`, such as `TileSettings`.

    Returns
    -------
    callable
        Decorator of a command.
    """

    def _add(command: Command) -> Command:
        for name, setting in reversed(section.model_fields.items()):
            flag = f"--{name.replace('_', '-')}"
            shown = "the checkpoint's" if setting.default is None else _shown(setting.default)
            text = f"{setting.description}  [default: {shown}]"
            if setting.annotation is bool:
                option = click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=text)
            else:
                option = click.option(flag, name, default=None, metavar="VALUE", help=text)
            command = option(command)
        return command

    return _add


def _shown(default: Any) -> str:
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def settings_of(section: type[Section], values: dict[str, Any]) -> Any:
    """Build the settings of a section from the options that were given.

    Parameters
    ----------
    section : type
        Subclass of `Section`, such as `TileSettings`.
    values : dict
        Setting -> text, or None where its option was not given; an empty text stands for None.

    Returns
    -------
    Section
        An instance of `section`; options that were not given leave the defaults.

    Raises
    ------
    ConfigError
        If a value is outside its limits.
    """
    given = {
        name: None if values[name] == "" else values[name]
        for name in section.model_fields
        if values[name] is not None
    }
    return validated(section, given, "command line")


def member_option(command: Command) -> Command:
    """Add the option that names the members of an ensemble.

    Parameters
    ----------
    command : callable
        Takes the argument `members`, a tuple of str.

    Returns
    -------
    callable
        The command with the option.
    """
    return click.option(
        "--member",
        "members",
        multiple=True,
        default=Config.model_fields["members"].default,
        show_default=True,
        help="checkpoint: a name, a file, or a URL with #sha256=; may be given several times",
    )(command)


def part_options(command: Command) -> Command:
    """Add the options that say on which part of a slide a command works.

    Parameters
    ----------
    command : callable
        Takes the arguments `part` and `parts`, both int.

    Returns
    -------
    callable
        The command with the options.
    """
    command = click.option(
        "--parts",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="number of parts (bands of the canvas) of the slide",
    )(command)
    return click.option(
        "--part",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="part to work on, counted from 1",
    )(command)


#: Option of commands that can use several processor cores.
threads_option = click.option(
    "--threads",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="number of processor cores to use",
)
#: Option of commands that write one main file.
output_option = click.option("-o", "--output", type=FILE, required=True, help="file to write")

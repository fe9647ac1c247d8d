"""How settings become options of the command line, and faults become one line for the user."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from nucwsi.config import Config, Section, validated
from nucwsi.errors import ConfigError, NucwsiError

Command = TypeVar("Command", bound=Callable[..., None])

#: Type of arguments that are files or folders.
FILE = click.Path(path_type=Path)


class Commands(click.Group):
    """Shows a user's mistake as one line, and keeps the order of the pipeline in the help."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Return the names of the commands in the order in which they were added.

        Parameters
        ----------
        ctx : click.Context

        Returns
        -------
        list of str
        """
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what a user can mend is told in one line.

        Parameters
        ----------
        ctx : click.Context

        Returns
        -------
        object
            What the command returns.
        """
        try:
            return super().invoke(ctx)
        except NucwsiError as error:
            _fail(ctx, str(error), 2 if isinstance(error, ConfigError) else 1)
        except MemoryError:
            _fail(ctx, "the memory is used up; use a smaller core_px or batch_size", 1)


def _fail(ctx: click.Context, message: str, code: int) -> NoReturn:
    verb = f"nucwsi {ctx.invoked_subcommand or ''}".strip()
    click.echo(f"{verb}: {' '.join(message.split())}", err=True)
    sys.exit(code)


def options(section: type[Section]) -> Callable[[Command], Command]:
    """Add one option for each setting of a section; its value stays text until it is validated.

    Parameters
    ----------
    section : type
        One of the sections of `Config`.

    Returns
    -------
    callable
        Decorates a command.
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
        One of the sections of `Config`.
    values : dict
        Option -> text, or None where it was not given.

    Returns
    -------
    Section

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

    Returns
    -------
    callable
    """
    return click.option(
        "--member",
        "members",
        multiple=True,
        default=Config.model_fields["members"].default,
        show_default=True,
        help="a name, a file, or a URL with #sha256= of a checkpoint; may be given several times",
    )(command)


def part_options(command: Command) -> Command:
    """Add the options that name a part of a slide.

    Parameters
    ----------
    command : callable

    Returns
    -------
    callable
    """
    command = click.option(
        "--parts", type=click.IntRange(1), default=1, show_default=True, help="number of bands"
    )(command)
    return click.option(
        "--part", type=click.IntRange(1), default=1, show_default=True, help="which band"
    )(command)


#: Option of commands that use several cores.
threads_option = click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="processor cores"
)
#: Option of commands that make one file.
output_option = click.option("-o", "--output", type=FILE, required=True, help="file to make")

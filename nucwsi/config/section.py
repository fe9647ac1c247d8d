"""What all settings share: the base model, fields with descriptions, and the check of values."""

from __future__ import annotations

from datetime import date
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from nucwsi.errors import ConfigError


class Section(BaseModel):
    """Base of all settings: frozen, and a misspelt key is an error."""

    # A verb validates one section only; building the validators of all takes a tenth of a second.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


S = TypeVar("S", bound=Section)


def setting(default: Any, description: str, *, speed: bool = False, **limits: Any) -> Any:
    """Declare a setting of a section.

    Parameters
    ----------
    default : object
        Value where the user states none.
    description : str
        What the setting means, with its unit; ``--help`` and the schema show it.
    speed : bool
        Whether the setting affects the speed alone. A change of such a setting never triggers a
        rerun of the workflow.
    **limits
        Limits of the value, such as ``ge=0``, as `pydantic.Field` takes them.

    Returns
    -------
    object
        A pydantic field, typed ``Any`` so that it may stand as the default of any annotation.
    """
    return Field(default, description=description, json_schema_extra={"speed": speed}, **limits)


def subsection(model: type[Section], description: str) -> Any:
    """Declare a section within a section, with the defaults of all its settings.

    Parameters
    ----------
    model : type
        Subclass of `Section`.
    description : str
        What the section is about.

    Returns
    -------
    object
        A pydantic field, as `setting` returns it.
    """
    # Unlike `model()`, this does not build the validator of the section.
    return setting(model.model_construct(), description)


def _integer(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _list(value: Any) -> Any:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _text(value: Any) -> Any:
    return str(value) if type(value) in {int, float, date} else value


#: Snakemake's ``--config`` and the command line pass numbers as text.
INTEGER = BeforeValidator(_integer)
#: The command line passes a list as ``16,32,64``.
LIST = BeforeValidator(_list)
#: Snakemake reads the name of a folder that is a date, such as 20240101, as a number; a name that
#: it changes so is refused in `workflow.written`.
TEXT = BeforeValidator(_text)


def validated(model: type[S], values: dict[str, Any], where: str) -> S:
    """Build settings from values that a user wrote.

    Parameters
    ----------
    model : type
        `Config` or another subclass of `Section`.
    values : dict
        Setting -> value, as read from a file or the command line.
    where : str
        File or command that an error names.

    Returns
    -------
    Section
        An instance of `model`; settings that `values` leaves out have their defaults.

    Raises
    ------
    ConfigError
        If a key is unknown or a value is outside its limits; the first fault is named.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            known = ", ".join(_section_at(model, fault["loc"]).model_fields)
            raise ConfigError(f"{where}: unknown setting `{key}`; known here: {known}") from None
        raise ConfigError(f"{where}: `{key}`: {fault['msg']}, got {fault['input']!r}") from None


def _section_at(model: type[Section], path: tuple[int | str, ...]) -> type[Section]:
    """Return the section that holds the last key of a path."""
    for key in path[:-1]:
        field = model.model_fields.get(str(key))
        # A name that the user gave, such as a member's, leads no deeper.
        inner = field and (get_args(field.annotation) or (field.annotation,))[-1]
        if isinstance(inner, type) and issubclass(inner, Section):
            model = inner
    return model

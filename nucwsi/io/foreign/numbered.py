"""The names of classes that a file numbers, as users write them."""

from __future__ import annotations

from nucwsi.errors import ConfigError


def numbered_names(text: str, where: str) -> dict[str, str]:
    """Read names of numbered classes.

    Parameters
    ----------
    text : str
        Such as ``1=neoplastic,2=inflammatory``; may be empty.
    where : str
        Where it stands, for the error.

    Returns
    -------
    dict of str to str
        Number of each class -> its name.

    Raises
    ------
    ConfigError
        If a part is no number and name.

    Examples
    --------
    >>> numbered_names("1=tumour, 2 = immune cell", "--classes")
    {'1': 'tumour', '2': 'immune cell'}
    """
    names: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        number, equals, name = (word.strip() for word in part.partition("="))
        if not equals or not number.isdecimal() or not name:
            raise ConfigError(f"{where}: {part!r}, expected a number and a name such as 1=tumour")
        if number in names:
            raise ConfigError(f"{where}: names {number} twice, {names[number]} and {name}")
        names[number] = name
    return names

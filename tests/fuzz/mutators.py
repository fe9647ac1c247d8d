"""Damage to bytes, text and JSON of any file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import wraps
from random import Random
from typing import Any, NamedTuple


class Mutant(NamedTuple):
    """A damaged file.

    Attributes
    ----------
    data : bytes
        Its content.
    what : str
        What was done to it.
    telling : bool
        Whether no sound file is like this, so that a command which goes on without a warning must
        come to the same result. A flipped bit of a pixel tells nothing; a missing tile does.
    """

    data: bytes
    what: str
    telling: bool = False


Mutator = Callable[[bytes, Random], Mutant]

#: Numbers that make no sense as a length, a coordinate or a probability, as JSON writes them.
SENSELESS = ("NaN", "Infinity", "-Infinity", "1e400", "-1e308", "9" * 400)

#: Values of another type than a number.
_NO_NUMBERS = ('""', '"x"', "null", "[]", "{}", "[[1]]", '{"a": 1}', '"\\ud800"', "@deep@")

#: Values that may be right or wrong.
_ODD = ("0", "-1", "1", "0.5", "65536", "2147483648", "-0.0", "1e-300", "true", "false")

_DEEP = "[" * 100_000 + "]" * 100_000


def replaced(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def _span(data: bytes, rng: Random, most: int = 4096) -> tuple[int, int]:
    """Choose a piece of the file; short ones are as frequent as long ones."""
    length = max(1, min(len(data), int(most ** rng.random())))
    start = rng.randrange(max(1, len(data) - length + 1))
    return start, start + length


def flipped(data: bytes, rng: Random) -> Mutant:
    """Flip one to eight bits."""
    spoilt = bytearray(data)
    places = [rng.randrange(len(data)) for _ in range(rng.choice((1, 1, 1, 2, 8)))]
    for place in places:
        spoilt[place] ^= 1 << rng.randrange(8)
    return Mutant(bytes(spoilt), f"a bit at {', '.join(map(str, places))}")


def overwritten(data: bytes, rng: Random) -> Mutant:
    """Overwrite a piece with zeros, ones or noise."""
    start, stop = _span(data, rng)
    fill = rng.choice((b"\0", b"\xff", b"\x7f", b" ", None))
    piece = rng.randbytes(stop - start) if fill is None else fill * (stop - start)
    return Mutant(replaced(data, start, piece), f"{start} to {stop} overwritten with {fill!r}")


def cut_short(data: bytes, rng: Random) -> Mutant:
    """Leave the end away."""
    length = rng.choice((rng.randrange(len(data)), max(0, len(data) - 1 - rng.randrange(64))))
    return Mutant(data[:length], f"cut to {length} of {len(data)} bytes", telling=True)


def spliced(data: bytes, rng: Random) -> Mutant:
    """Take a piece out, repeat one, or put one somewhere else."""
    start, stop = _span(data, rng)
    to = rng.randrange(len(data))
    how = rng.choice(("out", "twice", "over"))
    spoilt = {
        "out": data[:start] + data[stop:],
        "twice": data[:stop] + data[start:],
        "over": replaced(data, to, data[start:stop]),
    }[how]
    return Mutant(spoilt, f"{start} to {stop} {how} {to if how == 'over' else ''}".strip())


BYTES: tuple[Mutator, ...] = (flipped, overwritten, cut_short, spliced)


def with_(mutator: Mutator, *, telling: bool) -> Mutator:
    """Return a mutator of which everything that it does tells, or nothing."""

    @wraps(mutator)
    def damage(data: bytes, rng: Random) -> Mutant:
        return mutator(data, rng)._replace(telling=telling)

    return damage


#: For files with checksums, which must notice whatever is done.
CHECKED: tuple[Mutator, ...] = tuple(with_(mutator, telling=True) for mutator in BYTES)

#: For files that people write, of which any part may be meant.
FREE: tuple[Mutator, ...] = tuple(with_(mutator, telling=False) for mutator in BYTES)


def encoded(data: bytes, rng: Random) -> Mutant:
    """Write a text in another encoding, or with other ends of lines."""
    text = data.decode("utf-8", "replace")
    how = rng.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "cp1252", "cr", "crlf", "nul"))
    line_ends = {"cr": "\r", "crlf": "\r\n", "nul": "\0\n"}
    if how in line_ends:
        return Mutant(text.replace("\n", line_ends[how]).encode(), f"lines end in {how}")
    return Mutant(text.encode(how, "replace"), f"written as {how}")


def listed(data: bytes, rng: Random) -> Mutant:
    """Drop, repeat or exchange a line or a cell of a table."""
    lines = data.decode().split("\n")
    separator = "\t" if "\t" in lines[0] else ","
    at = rng.randrange(len(lines))
    cells = lines[at].split(separator)
    cell = rng.randrange(len(cells))
    how = rng.choice(("line gone", "line twice", "cell gone", "cell twice", "cell odd"))
    if how == "line gone":
        del lines[at]
    elif how == "line twice":
        lines.insert(at, lines[at])
    else:
        odd = ("nan", "inf", "1e400", "-1", "", "0", "x", '"', "=1+1", "x" * 5000, "\0", "é", "NA")
        new = {"cell gone": [], "cell twice": 2 * [cells[cell]], "cell odd": [rng.choice(odd)]}[how]
        how += f" {new[-1]!r:.40}" if new else ""
        cells[cell : cell + 1] = new
        lines[at] = separator.join(cells)
    return Mutant("\n".join(lines).encode(), f"line {at + 1}, cell {cell + 1}: {how}")


TABLE: tuple[Mutator, ...] = (listed, listed, listed, encoded)


def numbered(pattern: str) -> Mutator:
    """Replace a number that a pattern finds, its first group, by one that makes no sense."""

    def number(data: bytes, rng: Random) -> Mutant:
        found = rng.choice(list(re.finditer(pattern.encode(), data)))
        new = rng.choice((*SENSELESS, "nan", "inf", "", "x", "1,5", "0x10", "１", "1_0"))
        spoilt = data[: found.start(1)] + new.encode() + data[found.end(1) :]
        shown = f"{found.group(0).decode():.40} is {new:.20}"
        return Mutant(spoilt, shown, telling=new in SENSELESS or new in {"nan", "inf", "x"})

    return number


def attribute(data: bytes, rng: Random) -> Mutant:
    """Replace the value of any attribute of XML."""
    return numbered(r'="([^"]*)"')(data, rng)._replace(telling=False)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all values in a document, its own first."""
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(item, (*path, key))


def changed(document: Any, rng: Random) -> tuple[str, tuple[Any, ...], str]:
    """Change one value of a document; return the text, the path of the value and what it is now."""
    document = json.loads(json.dumps(document))
    # Names of keys are drawn before items, else a thousand coordinates would hide all else.
    kinds: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for path in _places(document):
        kinds.setdefault(tuple(k if isinstance(k, str) else 0 for k in path), []).append(path)
    path = rng.choice(kinds[rng.choice(list(kinds))])
    new = rng.choice((*SENSELESS, *_NO_NUMBERS, *_ODD, "@gone@", "@twice@"))
    if not path:
        return _written(new), path, new
    holder = document
    for key in path[:-1]:
        holder = holder[key]
    if new == "@gone@":
        del holder[path[-1]]
    elif new == "@twice@":
        if isinstance(holder, list):
            holder.append(holder[path[-1]])
        else:
            holder[f"{path[-1]}2"] = holder[path[-1]]
    else:
        holder[path[-1]] = "@new@"
    return json.dumps(document).replace('"@new@"', _written(new)), path, new


def _written(new: str) -> str:
    return {"@deep@": _DEEP, "@gone@": "", "@twice@": "[]"}.get(new, new)


def nowhere(_path: tuple[Any, ...]) -> bool:
    """Say of a value of JSON that any number may be meant."""
    return False


def json_value(essential: Callable[[tuple[Any, ...]], bool]) -> Mutator:
    """Change one value of a JSON file; it tells where `essential` numbers make no sense."""

    def value(data: bytes, rng: Random) -> Mutant:
        text, path, new = changed(json.loads(data), rng)
        what = f"{'/'.join(map(str, path))} is {new:.20}"
        return Mutant(text.encode(), what, telling=essential(path) and new in SENSELESS)

    return value

"""`summary`: one composition table of all slides."""

from __future__ import annotations

from pathlib import Path

from nucwsi.errors import StoreError
from nucwsi.io.store import published


def summary(tables: list[Path], output: Path) -> None:
    """Join the composition tables of several slides.

    Parameters
    ----------
    tables : list of pathlib.Path
        ``composition.csv`` of each slide.
    output : pathlib.Path

    Raises
    ------
    StoreError
        If a table is missing or was made with other classes or by another version.
    """
    header: str | None = None
    with published(output) as aside, aside.open("w", encoding="utf-8") as sink:
        for path in tables:
            try:
                first, _, rest = path.read_text("utf-8").partition("\n")
            except FileNotFoundError:
                raise StoreError(f"{path}: does not exist; run `nucwsi compose`") from None
            if header is None:
                header = first
                sink.write(f"{header}\n")
            if first != header:
                raise StoreError(
                    f"{path}: its columns differ from those of {tables[0]}; make both anew with the"
                    " same ensemble and version"
                )
            sink.write(rest)

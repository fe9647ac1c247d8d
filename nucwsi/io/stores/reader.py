"""Published stores, read one core at a time from inside their zip file.

This reader knows the little of the zarr format that it needs. zarr itself leads every chunk through
an event loop, which takes longer than to decode it, and its import takes longer than many a step.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from nucwsi.errors import DAMAGED_ARCHIVE, StoreError
from nucwsi.facts import SlideFacts
from nucwsi.grid import Frame, TileGrid, Window
from nucwsi.io.inputs import check_file
from nucwsi.io.stores.arrays import contents_digest
from nucwsi.io.stores.contents import Contents

#: All arrays of all stores are of one byte.
_DTYPES = (np.dtype("u1"), np.dtype("i1"))

#: Largest chunk that is read, in bytes; tiles of 2048 px take a tenth of it.
_LARGEST_CHUNK = 1 << 28


class _Header(NamedTuple):
    """The part of an array's zarr header that a reader needs."""

    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    fill_value: int


def _header(text: bytes) -> _Header:
    """Read the header of an array; raise `ValueError` if it is not as `create_array` writes it."""
    try:
        noted = json.loads(text)
        chunks, dtype = tuple(noted["chunks"]), np.dtype(noted["dtype"])
        fill_value = int(noted["fill_value"])
    except (LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"the header of an array: {error}") from None
    sides = len(chunks) in (2, 3) and all(type(side) is int and side > 0 for side in chunks)
    if not sides or math.prod(chunks) > _LARGEST_CHUNK or dtype not in _DTYPES:
        raise ValueError(f"an array of {dtype} has chunks of {chunks}")
    if not np.iinfo(dtype).min <= fill_value <= np.iinfo(dtype).max:
        raise ValueError(f"{fill_value} is no {dtype}")
    return _Header(chunks, dtype, fill_value)


@dataclass(frozen=True)
class Store:
    """A published store, open for reading.

    Attributes
    ----------
    path : pathlib.Path
        The ``.zarr.zip`` file.
    archive : zipfile.ZipFile
        The same file, open.
    contents : Contents
        Its entries.
    facts : SlideFacts
        Where its arrays come from: the ``nucwsi`` member of the group's attributes.
    """

    path: Path
    archive: zipfile.ZipFile
    contents: Contents
    facts: SlideFacts
    _headers: dict[str, _Header] = field(default_factory=dict, repr=False)

    @property
    def frame(self) -> Frame:
        """How the canvas of the arrays lies on its slide."""
        return self.facts.frame

    @property
    def grid(self) -> TileGrid:
        """The canvas cut into cores; each core is one chunk of the arrays."""
        return TileGrid(self.facts.frame.shape, self.facts.core_px)

    def tissue(self) -> NDArray[np.bool_]:
        """Read where the network is asked.

        Returns
        -------
        (H, W) ndarray of bool
            In cells of ``facts.tissue_px`` canvas pixels; cells at the far edges may reach beyond
            the canvas.
        """
        return self.chunk("tissue", 0, 0) > 0

    def _header(self, name: str) -> _Header:
        if name not in self._headers:
            try:
                self._headers[name] = _header(self.archive.read(self.contents[f"{name}/.zarray"]))
            except KeyError:
                raise StoreError(f"{self.path}: has no array {name!r}; make it again") from None
            except DAMAGED_ARCHIVE as error:
                raise StoreError(f"{self.path}: is damaged ({error}); make it again") from error
        return self._headers[name]

    def chunk(self, name: str, *position: int) -> NDArray[Any]:
        """Read one chunk of an array, all of its leading axes included.

        Parameters
        ----------
        name : str
            Of the array in the store.
        *position : int
            Place of the chunk along the last axes, in chunks.

        Returns
        -------
        ndarray
            Always of the full shape of a chunk, also where the chunk reaches beyond the canvas.
            Read-only: do not change it.

        Raises
        ------
        StoreError
            If the store has no such array, or is damaged.
        """
        chunks, dtype, fill_value = self._header(name)
        lead = (0,) * (len(chunks) - len(position))
        key = "/".join(str(number) for number in (name, *lead, *position))
        try:
            # A header that asks for more memory than a chunk takes is refused.
            data = imagecodecs.blosc_decode(
                self.archive.read(self.contents[key]), out=math.prod(chunks)
            )
            return np.frombuffer(data, dtype).reshape(chunks)
        except KeyError:
            return np.broadcast_to(dtype.type(fill_value), chunks)
        except DAMAGED_ARCHIVE as error:
            raise StoreError(f"{self.path}: is damaged ({error}); make it again") from error


@contextmanager
def opened(path: Path, kind: Literal["tiles", "maps"]) -> Iterator[Store]:
    """Open a published store for reading.

    Parameters
    ----------
    path : pathlib.Path
        ``.zarr.zip`` file.
    kind : str
        What it must be: ``tiles`` or ``maps``.

    Yields
    ------
    Store
        Open for reading until the block ends.

    Raises
    ------
    StoreError
        If it is missing, damaged, of another kind, or written by a newer nucwsi.
    """
    with ExitStack() as stack:
        try:
            check_file(path)
            archive = stack.enter_context(zipfile.ZipFile(path))
            if archive.comment not in {b"", contents_digest(archive)}:
                raise ValueError("its table of contents is damaged")
            contents = Contents(archive)
            stored = archive.read(contents[".zattrs"])
            facts = SlideFacts.from_json(json.loads(stored)["nucwsi"], kind)
        except FileNotFoundError:
            raise StoreError(f"{path}: does not exist; run the step that makes it") from None
        except (*DAMAGED_ARCHIVE, KeyError, TypeError) as error:
            raise StoreError(
                f"{path}: is not a whole nucwsi store ({error}); make it again"
            ) from error
        yield Store(path, archive, contents, facts)


class CoreReader:
    """Reads windows of a canvas whose chunks are its cores, and keeps the last cores in memory.

    It keeps as many cores as neighbouring windows share when they come in the order of
    `TileGrid.strips`. Several threads may read at once: each core is loaded by the first that asks
    for it, while the others read other cores or wait for this one.

    Parameters
    ----------
    grid : TileGrid
        The canvas cut into cores.
    load : callable
        Takes the name of an array and a core's row and column in the grid; gives its chunk.

    Attributes
    ----------
    grid : TileGrid
        The canvas cut into cores.
    """

    def __init__(self, grid: TileGrid, load: Callable[[str, int, int], NDArray[Any]]) -> None:
        self.grid = grid
        self._load = load
        # Three rows of a strip, and the columns beside it.
        self._n_kept = 3 * (grid.strip_columns + 2)
        self._kept: dict[str, OrderedDict[tuple[int, int], Future[NDArray[Any]]]] = {}
        self._lock = Lock()

    def core(self, name: str, row: int, column: int) -> NDArray[Any]:
        """Read an array at one core.

        Parameters
        ----------
        name : str
            Of the array.
        row, column : int
            Position in the grid.

        Returns
        -------
        ndarray
            (..., H, W); do not change it.
        """
        position = (row, column)
        with self._lock:
            kept = self._kept.setdefault(name, OrderedDict())
            core = kept.pop(position, None)
            is_first = core is None
            core = kept[position] = core or Future()
            if len(kept) > self._n_kept:
                kept.popitem(last=False)
        if is_first:
            self._fill(core, name, position)
        return core.result()

    def _fill(self, core: Future[NDArray[Any]], name: str, position: tuple[int, int]) -> None:
        """Load a core for all threads that ask for it; those that ask after an error try again."""
        try:
            height, width = self.grid.core(*position).shape
            core.set_result(self._load(name, *position)[..., :height, :width])
        # Whatever it is, nobody may wait for this core any longer.
        except BaseException as error:  # noqa: BLE001
            with self._lock:
                self._kept[name].pop(position, None)
            core.set_exception(error)

    def read(self, name: str, window: Window, into: NDArray[Any] | None = None) -> NDArray[Any]:
        """Read an array in a window.

        Parameters
        ----------
        name : str
            Of the array.
        window : Window
            Within the canvas.
        into : (..., H, W) ndarray, optional
            What is read is written there.

        Returns
        -------
        (..., H, W) ndarray
            A new one, or `into`.
        """
        if window.intersection(self.grid.canvas) != window:
            raise IndexError(f"{window} reaches beyond the canvas of {self.grid.shape} px")
        core_px = self.grid.core_px
        values = into
        for row in range(window.row // core_px, -(-window.row_stop // core_px)):
            rows, from_rows = _shared(window.row, window.height, row * core_px, core_px)
            for column in range(window.column // core_px, -(-window.column_stop // core_px)):
                columns, from_columns = _shared(
                    window.column, window.width, column * core_px, core_px
                )
                block = self.core(name, row, column)
                if values is None:
                    values = np.empty((*block.shape[:-2], *window.shape), block.dtype)
                values[..., rows, columns] = block[..., from_rows, from_columns]
        if values is None:
            raise IndexError(f"{window} holds no pixel")
        return values


def _shared(start: int, length: int, core: int, core_px: int) -> tuple[slice, slice]:
    """Return the overlap of an interval with a core, counted from the start of each."""
    first, stop = max(start, core), min(start + length, core + core_px)
    return slice(first - start, stop - start), slice(first - core, stop - core)

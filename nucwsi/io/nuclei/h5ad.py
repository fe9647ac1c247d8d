"""The nuclei as AnnData, the table that scanpy and squidpy work on."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nucwsi.classes import colours
from nucwsi.errors import ConfigError
from nucwsi.facts import SlideFacts
from nucwsi.io.nuclei.arrow import to_numpy
from nucwsi.io.nuclei.columns import NETWORK_CLASS, QUPATH_ID
from nucwsi.io.nuclei.features import feature_names, places_digest, read_features
from nucwsi.io.nuclei.parquet import iter_batches, open_table
from nucwsi.io.stores.publish import published

#: Measures of the table of nuclei, which stand in for features where there are none.
_MEASURES = (
    *("area_um2", "perimeter_um", "major_axis_um", "minor_axis_um", "circularity", "solidity"),
)

#: How the names of features end -> unit. All others are optical densities, numbers or shares.
_UNITS = (("_um2", "µm²"), ("_um", "µm"))

#: Columns that have a place of their own, or none.
_ELSEWHERE = frozenset({"row", "column", *_MEASURES})

#: Columns that are not read: what is no number, and follows from slide and id.
_LEFT_OUT = frozenset({"geometry", "bbox", QUPATH_ID})

#: What SpatialData needs to know of a table: the name of its shapes, and columns that link both.
_SHAPES, _REGION, _INSTANCE = "nuclei", "region", "id"


def write_h5ad(path: Path, nuclei: Path, features: Path | None = None) -> None:
    """Write nuclei as AnnData.

    Parameters
    ----------
    path : pathlib.Path
        Ends in ``.h5ad``.
    nuclei : pathlib.Path
        ``nuclei.parquet``.
    features : pathlib.Path, optional
        ``features.parquet`` of these nuclei, whose columns become variables; by default size and
        form do.

    Raises
    ------
    ConfigError
        If the package anndata is not installed.
    StoreError
        If a table cannot be read, or the file cannot be written.
    """
    try:
        import anndata
    except ImportError:
        raise ConfigError(
            "`anndata: true` needs the package anndata; install it with `pip install"
            " 'nucwsi[anndata]'`, or set `export.anndata: false`"
        ) from None
    file, facts = open_table(nuclei)
    with file:
        names = [name for name in file.schema_arrow.names if name not in _LEFT_OUT]
    table = _columns(nuclei, names)
    x, variables = _variables(table, features)
    xy = np.column_stack([table["column"], table["row"]])
    mpp = facts.frame.level0_mpp
    with warnings.catch_warnings():
        # It announces changes to come.
        warnings.simplefilter("ignore")
        held = anndata.AnnData(X=x, obs=_obs(table, facts), var=_var(variables))
        # µm: radii mean the same on slides of different resolution.
        held.obsm["spatial"] = xy * mpp[::-1]
        held.obsm["spatial_px"] = xy
        held.uns.update(_uns(facts))
        with published(path) as aside:
            held.write_h5ad(aside, compression="gzip")


def _columns(nuclei: Path, names: list[str]) -> dict[str, NDArray[Any]]:
    """Read columns whole; of those of text, the places in the classes."""
    parts: dict[str, list[NDArray[Any]]] = {name: [np.empty(0)] for name in names}
    for batch in iter_batches(nuclei, names):
        for name in names:
            column = batch.column(name)
            coded = name in {"class", NETWORK_CLASS}
            parts[name].append(to_numpy(column.indices if coded else column))
    return {name: np.concatenate(some[1:] or some) for name, some in parts.items()}


def _variables(
    table: dict[str, NDArray[Any]], features: Path | None
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Return what describes the nuclei, (N, F), and the names of these features."""
    if features is None:
        return np.column_stack([table[name] for name in _MEASURES]).astype(np.float32), _MEASURES
    digest = places_digest(table["id"].astype(np.int64), table["row"], table["column"])
    names = feature_names(features, digest)
    described = [some.values for some in read_features(features, names, digest)]
    return np.concatenate([np.empty((0, len(names)), np.float32), *described]), names


def _obs(table: dict[str, NDArray[Any]], facts: SlideFacts) -> Any:
    import pandas as pd

    columns: dict[str, Any] = {}
    count = len(table["id"])
    classes = {"class": facts.classes, NETWORK_CLASS: facts.network_classes}
    for name, values in table.items():
        if name in classes:
            columns[name] = _categorical(values.astype(np.int8), classes[name])
        elif name not in _ELSEWHERE:
            # A slash would make a folder in the file.
            columns[name.replace("/", "|")] = values
    same = np.zeros(count, np.int8)
    columns["slide"] = _categorical(same, (facts.slide,))
    columns[_REGION] = _categorical(same, (_SHAPES,))
    index = _texts([str(ident) for ident in table["id"].astype(np.int64).tolist()])
    return pd.DataFrame(columns, index=index)


def _texts(values: Sequence[str]) -> Any:
    """Return an index of texts that anndata can write whatever the version of pandas."""
    import pandas as pd

    return pd.Index(np.array([*values, None], object)[:-1], dtype=object)


def _categorical(codes: NDArray[np.int8], names: Sequence[str]) -> Any:
    import pandas as pd

    return pd.Categorical.from_codes(codes, categories=_texts(names))


def _var(names: tuple[str, ...]) -> Any:
    import pandas as pd

    units = [next((unit for end, unit in _UNITS if name.endswith(end)), "") for name in names]
    known = sorted(set(units))
    codes = np.array([known.index(unit) for unit in units], np.int8)
    return pd.DataFrame({"unit": _categorical(codes, known)}, index=_texts(names))


def _uns(facts: SlideFacts) -> dict[str, Any]:
    palettes = {"class": facts.classes, NETWORK_CLASS: facts.network_classes}
    shown = palettes if facts.taught else {"class": facts.classes}
    colour: dict[str, Any] = {
        # In the order of the categories, where scanpy looks for them.
        f"{name}_colors": np.array(list(_hexadecimal(classes)), object)
        for name, classes in shown.items()
    }
    return {
        **colour,
        "nucwsi": {
            "slide": facts.slide,
            "spatial_unit": "µm",
            "spatial_px_unit": "level-0 pixel",
            "mpp_x": facts.frame.level0_mpp[1],
            "mpp_y": facts.frame.level0_mpp[0],
            "facts": json.dumps(facts.to_json()),
        },
        "spatialdata_attrs": {
            "region": _SHAPES,
            "region_key": _REGION,
            "instance_key": _INSTANCE,
        },
    }


def _hexadecimal(classes: tuple[str, ...]) -> Iterator[str]:
    for red, green, blue in colours(classes).values():
        yield f"#{red:02x}{green:02x}{blue:02x}"

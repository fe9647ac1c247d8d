"""Programs of `torch.export`, loaded without running any code that their file may hold.

`torch.export.load` trusts what it reads: it unpickles constants and sample inputs, executes the
guards as Python, evaluates symbolic sizes, looks up any attribute of torch as an operator, writes
names into Python source, and loads compiled libraries. So it is given a copy of the archive that
holds only what a network needs, each part of it checked: weights as bytes, and a graph of ATen's
operators on sizes that are plain arithmetic. Read in torch 2.13: ``torch/export/pt2_archive`` and
``torch/_export/serde/serialize.py``.
"""

from __future__ import annotations

import ast
import io
import json
import keyword
import logging
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import torch

from nucwsi.errors import DAMAGED_ARCHIVE, CheckpointError, pass_on_lack_of_memory

_GRAPH, _WEIGHTS, _CONSTANTS = "models/model.json", "data/weights/", "data/constants/"

#: Lists of what lies in these folders.
_LISTS = (f"{_WEIGHTS}model_weights_config.json", f"{_CONSTANTS}model_constants_config.json")

#: Small parts of an archive that say how it is written.
_FORMAT = ("archive_format", "archive_version", "byteorder", ".data/version")

#: Operators that compute; those of ATen that reach files are left out.
_OPERATORS = re.compile(
    r"torch\.ops\.(aten|mkldnn)\.(?!from_file|save|load)\w+\.\w+|torch\.sym_\w+"
    r"|torch\.ops\.higher_order\.wrap_with_set_grad_enabled"
    r"|_operator\.(add|sub|mul|floordiv|truediv|mod|pow|neg|pos|getitem|and_|or_|not_"
    r"|eq|ne|lt|le|gt|ge)|math\.(ceil|floor|trunc|sqrt)"
)

#: Text anywhere else: it cannot end a string, a line or an argument of Python source.
_TEXT = re.compile(r"[\w .,+\->=:]*")

#: Structures that a program may take and return.
_STRUCTURES = (None, "builtins.tuple", "builtins.list", "builtins.dict")

#: What the srepr of a size is made of.
_SIZE_NODES = (
    *(ast.Expression, ast.Call, ast.Name, ast.Constant, ast.keyword, ast.Load),
    *(ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.Compare, ast.cmpop),
)
_SIZE_NAMES = re.compile(
    r"Add|Mul|Pow|Mod|Max|Min|Integer|Rational|Float|Symbol|Piecewise|And|Or|Not|Eq|Ne|Lt|Le|Gt|Ge"
    r"|Equality|Unequality|StrictLessThan|LessThan|StrictGreaterThan|GreaterThan|floor|ceiling|Abs"
    r"|FloorDiv|ModularIndexing|Where|PythonMod|CleanDiv|CeilToInt|FloorToInt|CeilDiv|PowByNatural"
    r"|IntTrueDiv|FloatTrueDiv|FloatPow|TruncToInt|TruncToFloat|RoundToInt|RoundDecimal|ToFloat"
    r"|Identity|true|false|[a-z]{1,2}\d+"
)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep from users what torch logs and prints of a program; an error of ours says it.

    Yields
    ------
    None
        While nothing reaches stderr.
    """
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def load_program(path: Path) -> torch.nn.Module:
    """Load a program as a module.

    Parameters
    ----------
    path : pathlib.Path
        A file of `torch.export.save`, of torch 2.8 or newer.

    Returns
    -------
    torch.nn.Module
        Takes and returns what the exported module does, on the CPU.

    Raises
    ------
    CheckpointError
        If it is damaged, or holds anything but a graph of ATen's operators and its weights.
    """
    cleaned = _cleaned(path)
    try:
        with quiet():
            return torch.export.load(cleaned).module(check_guards=False)
    # What cannot be loaded fails in as many ways as there are operators.
    except Exception as error:  # noqa: BLE001
        pass_on_lack_of_memory(error)
        raise CheckpointError(
            f"{path}: torch {torch.__version__} cannot load this program"
            f" ({type(error).__name__}); export it with the same version of torch"
        ) from None


def _cleaned(path: Path) -> io.BytesIO:
    """Copy the checked parts of an archive into another; what is not known stays behind."""
    cleaned = io.BytesIO()
    try:
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(cleaned, "w") as copy:
            names = archive.namelist()
            graphs = [name for name in names if name.endswith(f"/{_GRAPH}")]
            if len(graphs) != 1:
                raise CheckpointError(
                    f"{path}: holds no program of `torch.export.save`, or several; save one with"
                    " torch 2.8 or newer"
                )
            root = graphs[0].removesuffix(_GRAPH)
            parts = {name.removeprefix(root): name for name in names if name.startswith(root)}
            graph = _checked_graph(json.loads(archive.read(graphs[0])), str(path))
            copy.writestr(graphs[0], json.dumps(graph))
            for listed in _LISTS:
                for stored in _checked_list(json.loads(archive.read(parts[listed])), str(path)):
                    name = parts[f"{Path(listed).parent}/{stored}"]
                    if name not in copy.namelist():
                        copy.writestr(name, archive.read(name))
                copy.writestr(parts[listed], archive.read(parts[listed]))
            for part in _FORMAT:
                copy.writestr(parts[part], archive.read(parts[part]))
            # Empty: there are no sample inputs to unpickle.
            copy.writestr(f"{root}data/sample_inputs/model.pt", b"")
    except (*DAMAGED_ARCHIVE, LookupError, TypeError, AttributeError) as error:
        if isinstance(error, CheckpointError):
            raise
        pass_on_lack_of_memory(error)
        raise CheckpointError(
            f"{path}: is no whole program of `torch.export.save` ({type(error).__name__}); copy it"
            " anew"
        ) from None
    cleaned.seek(0)
    return cleaned


def _checked_list(listed: dict[str, Any], where: str) -> list[str]:
    """Name the files of a list, all of which must hold plain numbers."""
    files = []
    for name, entry in listed["config"].items():
        file = entry["path_name"]
        if entry["use_pickle"] or not re.fullmatch(r"(weight|tensor)_\d+", file):
            raise CheckpointError(
                f"{where}: `{name:.80}` is kept as a pickle, which could run code; export a module"
                " whose weights and constants are plain tensors"
            )
        files.append(file)
    return files


def _checked_graph(program: dict[str, Any], where: str) -> dict[str, Any]:
    """Return a program without what is executed or only informs; refuse what could be code."""
    program["guards_code"] = []
    for name in program["range_constraints"]:
        _check_size(name, where)
    _check(program, "", where)
    return program


def _check(value: Any, key: str, where: str) -> None:
    """Check all strings of a program, each by what is done with it."""
    if isinstance(value, dict):
        if "metadata" in value:
            value["metadata"] = {}
        for name, inner in value.items():
            _check(inner, name, where)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, key, where)
    elif isinstance(value, str):
        if key == "expr_str":
            _check_size(value, where)
        elif key in ("in_spec", "out_spec"):
            _check_structure(json.loads(value)[1], where)
        elif not _is_harmless(value, key):
            what = f"the operator `{value:.80}`" if key == "target" else f"{value!r:.80} as `{key}`"
            raise CheckpointError(
                f"{where}: holds {what}, which is not of a plain network and could run code; export"
                " a module that uses operators of ATen only"
            )


def _is_harmless(value: str, key: str) -> bool:
    if key in ("target", "as_operator"):
        return _OPERATORS.fullmatch(value) is not None
    if key in ("name", "as_name", "forward_arg_names"):
        return not value or (value.isidentifier() and not keyword.iskeyword(value))
    return _TEXT.fullmatch(value) is not None


def _check_size(expression: str, where: str) -> None:
    """Refuse a symbolic size that is more than arithmetic: it is going to be evaluated."""
    try:
        nodes = list(ast.walk(ast.parse(expression, mode="eval")))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        nodes = [ast.AST()]
    for node in nodes:
        plain = isinstance(node, _SIZE_NODES)
        if isinstance(node, ast.Name):
            plain = _SIZE_NAMES.fullmatch(node.id) is not None
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            plain = re.fullmatch(r"\w+", node.value) is not None
        elif isinstance(node, ast.Call):
            plain = isinstance(node.func, ast.Name)
        if not plain:
            raise CheckpointError(
                f"{where}: holds the size {expression!r:.80}, which is more than arithmetic and"
                " could run code; export the module anew"
            )


def _check_structure(structure: dict[str, Any], where: str) -> None:
    """Refuse arguments and results that are no tuples, lists and dictionaries of tensors."""
    context = json.loads(structure["context"] or "null")
    named = isinstance(context, list) and all(isinstance(name, str) for name in context)
    if structure["type"] not in _STRUCTURES or not (context is None or named):
        raise CheckpointError(
            f"{where}: takes or returns {structure['type']!r:.80}; export a module that returns a"
            " tuple or a dictionary of tensors"
        )
    for part in structure["children_spec"]:
        _check_structure(part, where)

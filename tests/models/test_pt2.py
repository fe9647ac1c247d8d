"""Programs of torch.export are loaded, and whatever in them could run code is refused."""

import zipfile

import pytest
import torch
from exports_made import Tiny, changed_program, write_pt2

from nucwsi.errors import CheckpointError
from nucwsi.models.program import open_program
from nucwsi.models.pt2 import load_program

#: Python that would leave a file behind.
CODE = "__import__('pathlib').Path('ran').write_text('x')"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return write_pt2(tmp_path_factory.mktemp("pt2") / "tiny.pt2").read_bytes()


@pytest.fixture
def program(tmp_path, exported, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tiny.pt2"
    path.write_bytes(exported)
    return path


def test_a_program_answers_as_what_was_exported(program):
    image = torch.rand(3, 3, 17, 30)
    with torch.inference_mode():
        answers, expected = load_program(program)(image), Tiny()(image)
    for name, value in expected.items():
        torch.testing.assert_close(answers[name], value)


def nodes(program):
    return program["graph_module"]["graph"]["nodes"]


def size(value, text):
    """Replace all symbolic sizes."""
    if isinstance(value, dict) and "expr_str" in value:
        value["expr_str"] = text
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            size(inner, text)


def structure(program, text):
    program["graph_module"]["module_call_graph"][0]["signature"]["out_spec"] = text


CHANGED = {
    "an operator of torch": lambda p: nodes(p)[0].update(target="torch.hub.load"),
    "an operator that reaches files": lambda p: nodes(p)[0].update(
        target="torch.ops.aten.from_file.default"
    ),
    "an operator of Python": lambda p: nodes(p)[0].update(target="_operator.methodcaller"),
    "an operator of nobody": lambda p: nodes(p)[0].update(target="#custom:op"),
    "a name of several lines": lambda p: nodes(p)[0].update(name=f"x\n    {CODE}"),
    "a name that calls": lambda p: p["graph_module"]["graph"]["outputs"][0].update(
        as_tensor={"name": CODE}
    ),
    "a size that calls": lambda p: size(p, CODE),
    "a size with an attribute": lambda p: size(p, "Integer(1).__class__"),
    "a size that is no Python": lambda p: size(p, "1 +"),
    "a range that calls": lambda p: p["range_constraints"].update({CODE: {"min_val": 1}}),
    "a structure of its own": lambda p: structure(
        p, '[1, {"type": "os.system", "context": "null", "children_spec": []}]'
    ),
    "a structure with a context": lambda p: structure(
        p, '[1, {"type": "builtins.dict", "context": "{\\"__enum__\\": 1}", "children_spec": []}]'
    ),
    "half a graph": lambda p: p.pop("range_constraints"),
}


@pytest.mark.parametrize("what", CHANGED)
def test_what_could_run_code_is_refused_in_one_line(program, what):
    changed_program(program, CHANGED[what])
    with pytest.raises(
        CheckpointError, match=r"tiny\.pt2: (holds|takes or returns|is no whole)"
    ) as c:
        load_program(program)
    assert "\n" not in str(c.value)
    assert not program.with_name("ran").exists()


def test_bytes_that_are_missing_are_told_in_one_line(program, exported):
    """Damage at random (seed 4, case 2302): the directory then points before the file."""
    for start in range(0, len(exported) - 2800, 1500):
        program.write_bytes(exported[:start] + exported[start + 2800 :])
        with pytest.raises(CheckpointError, match=r"tiny\.pt2: (is no whole|holds no) program"):
            load_program(program)


def test_a_list_of_weights_that_is_none_is_told(program):
    with zipfile.ZipFile(program) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    [listed] = [name for name in parts if name.endswith("model_weights_config.json")]
    with zipfile.ZipFile(program, "w") as archive:
        for name, content in {**parts, listed: b'{"config": []}'}.items():
            archive.writestr(name, content)
    with pytest.raises(CheckpointError, match=r"tiny\.pt2: is no whole program"):
        load_program(program)


def test_guards_and_traces_are_not_run(program):
    def change(of):
        of["guards_code"] = [CODE]
        nodes(of)[0]["metadata"] = {"stack_trace": CODE, "nn_module_stack": CODE}

    load_program(changed_program(program, change))(torch.rand(1, 3, 8, 8))
    assert not program.with_name("ran").exists()


def test_samples_and_compiled_parts_are_not_read(program):
    """torch would unpickle the one and load the other as a library."""
    with zipfile.ZipFile(program) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    (root,) = {name.split("/")[0] for name in parts}
    parts[f"{root}/data/sample_inputs/model.pt"] = b"\x80\x02cos\nsystem\n(S'touch ran'\ntR."
    parts[f"{root}/data/aotinductor/model/x.so"] = b"no library"
    with zipfile.ZipFile(program, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert load_program(program)(torch.rand(1, 3, 8, 8))["np"].shape == (1, 1, 8, 8)
    assert not program.with_name("ran").exists()


@pytest.mark.parametrize(
    ("folder", "file", "message"),
    [("weights", "weight_0", "as a pickle"), ("constants", "opaque_obj_0", "as a pickle")],
)
def test_pickled_weights_and_constants_are_refused(program, folder, file, message):
    with zipfile.ZipFile(program) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    (name,) = [n for n in parts if n.endswith(f"{folder[:-1]}s_config.json")]
    pickled = folder == "weights"
    entry = f'{{"path_name": "{file}", "is_param": true, "use_pickle": {str(pickled).lower()}}}'
    parts[name] = f'{{"config": {{"x": {entry}}}}}'.encode()
    with zipfile.ZipFile(program, "w") as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    with pytest.raises(CheckpointError, match=message):
        load_program(program)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda whole: whole[: len(whole) // 2], "is no whole program"),
        (lambda whole: b"PK\x03\x04" + whole[4:200], "is no whole program"),
        (lambda _: b"", "is no whole program"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(program, exported, content, message):
    program.write_bytes(content(exported))
    with pytest.raises(CheckpointError, match=message) as caught:
        load_program(program)
    assert "\n" not in str(caught.value)


def test_another_archive_is_refused(program):
    torch.save({"a": torch.ones(1)}, program)
    with pytest.raises(CheckpointError, match="holds no program"):
        load_program(program)


def test_a_graph_that_torch_cannot_load_is_told_without_its_advice(program):
    changed_program(program, lambda of: of["schema_version"].update(major=99))
    with pytest.raises(CheckpointError, match="cannot load this program") as caught:
        load_program(program)
    assert "weights_only" not in str(caught.value)


def test_what_torch_says_of_a_program_stays_out_of_the_terminal(program, capfd):
    """Damage at random (seed 3, case 8): 77 lines of torch stood above the one of ours."""

    def change(of):
        of["graph_module"]["graph"]["tensor_values"]["sigmoid"]["device"]["type"] = float("inf")

    changed_program(program, change)
    with pytest.raises(CheckpointError, match="cannot load this program"):
        load_program(program)
    assert capfd.readouterr().err == ""


def test_what_torch_says_of_a_window_stays_out_of_the_terminal(program, capfd):
    with pytest.raises(CheckpointError, match="cannot be shown a window"):
        open_program(program, torch.device("cpu"))(torch.rand(1, 5, 17, 30))
    assert capfd.readouterr().err == ""

"""The commands for classes of one's own: what is missing is one line."""

from commands import refused, run


def test_results_and_answers_have_to_be_named(tmp_path):
    line = refused("teach", tmp_path, "-o", tmp_path / "c", code=2)
    assert "names no answers (a file)" in line


def test_a_classifier_that_is_not_there_is_named(tmp_path):
    nuclei, output = tmp_path / "n.parquet", tmp_path / "o.parquet"
    line = refused("classify", "s.svs", nuclei, "--classifier", tmp_path / "c", "-o", output)
    assert f"{tmp_path / 'c'}: does not exist; make it with `nucwsi teach`" in line


def test_an_output_that_is_read_is_refused(tmp_path):
    line = refused("features", "s.svs", tmp_path / "n", "-o", tmp_path / "n", code=2)
    assert "is also read" in line


def test_the_help_names_what_is_expected():
    assert "RESULTS... ANSWERS..." in run("teach", "--help").output

"""The golden results: ids, outlines and tables shift only with a new `RESULT_VERSION`."""

import pytest
from golden import counts_of_default, digest, run, stored, write_phantom_slide

from nucwsi import RESULT_VERSION

MESSAGE = (
    "results have shifted: either that is a fault, or RESULT_VERSION must rise and tests/golden.py"
    " write its digests anew"
)


def without_network(name):
    return {key: value for key, value in stored(name).items() if key != "default"}


@pytest.mark.parametrize("core_px", [256, 512])
def test_the_phantom_has_its_golden_results(tmp_path, core_px):
    made = digest(run(write_phantom_slide(tmp_path), tmp_path, core_px))
    assert made == without_network("phantom"), MESSAGE


def test_a_real_slide_has_its_golden_results(shared, tmp_path):
    made = digest(run(shared / "slides" / "CMU-1-Small-Region.svs", tmp_path))
    assert made == without_network("CMU-1-Small-Region"), MESSAGE


def assert_alike(made, golden):
    """Bfloat16 and float32 differ by 0.7 % of the nuclei, and by 0.01 in the share of a class."""
    assert made.keys() == golden.keys()
    n_made, n_golden = sum(made.values()), sum(golden.values())
    assert n_made == pytest.approx(n_golden, rel=0.015), MESSAGE
    for name, count in golden.items():
        assert made[name] / n_made == pytest.approx(count / n_golden, abs=0.02), MESSAGE


def test_the_default_ensemble_finds_what_it_found_on_the_phantom(tmp_path):
    made = counts_of_default(write_phantom_slide(tmp_path), tmp_path)
    assert_alike(made, stored("phantom")["default"])


def test_the_default_ensemble_finds_what_it_found_on_a_real_slide(shared, tmp_path):
    made = counts_of_default(shared / "slides" / "CMU-1-Small-Region.svs", tmp_path)
    assert_alike(made, stored("CMU-1-Small-Region")["default"])


@pytest.mark.parametrize("name", ["phantom", "CMU-1-Small-Region"])
def test_golden_results_are_of_this_version(name):
    assert stored(name)["result_version"] == RESULT_VERSION, "python tests/golden.py " + name

"""Further columns of the sheet: which can be carried along, and which can be compared."""

from pathlib import Path

import pytest

from nucwsi.config import Config
from nucwsi.errors import ConfigError
from nucwsi.io.slides.sheet import SlideEntry
from nucwsi.workflow.columns import check_columns


def entries(**columns):
    """One slide for each value of the columns, which are as long as each other."""
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [SlideEntry(str(at), Path("a.svs"), further=row) for at, row in enumerate(rows)]


def config(**report):
    return Config.model_validate({"report": report})


def test_any_column_that_no_table_has_is_carried_along():
    check_columns(config(), [SlideEntry("a", Path("a.svs"))])
    check_columns(config(), entries(**{"patient": "ab", "stain batch": "12", "n stage": "01"}))


@pytest.mark.parametrize(
    "name", ["class", "status", "region_id", "n_nuclei", "n_epithelial", "epithelial_low", "p50"]
)
def test_a_column_that_a_table_has_is_refused(name):
    with pytest.raises(ConfigError, match=rf"slides.tsv: the column {name!r} has the name of a"):
        check_columns(config(), entries(**{name: "ab"}))


def test_columns_to_compare_must_exist_and_form_groups():
    sheet = entries(patient="aabb", group=["x", "y", "x", ""], age=list("1234"))
    check_columns(config(compare="group", pair="patient"), sheet)
    check_columns(config(compare=["group", "age"]), sheet)
    for setting in ({"compare": "grp"}, {"compare": "group", "pair": "grp"}):
        with pytest.raises(ConfigError, match=r"grp`: .* no such .*, but 'patient', 'group'"):
            check_columns(config(**setting), sheet)
    with pytest.raises(ConfigError, match=r"`report.compare: grp`: .* no such .* but none; name"):
        check_columns(config(compare="grp"), [SlideEntry("a", Path("a.svs"))])
    many = entries(age=[str(year) for year in range(9)])
    with pytest.raises(ConfigError, match=r"`report.compare: age`: .* 9 different .* 8 groups at"):
        check_columns(config(compare="age"), many)

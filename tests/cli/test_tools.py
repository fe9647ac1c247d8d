"""Commands beside the workflow."""

import click
from commands import run


def test_a_phantom_from_the_command_line(tmp_path):
    path = tmp_path / "p.tiff"
    result = run("phantom", path, "--height", 300, "--width", 400)
    assert result.exit_code == 0, result.output
    assert path.exists()
    assert (tmp_path / "p.truth.geojson").exists()
    assert run("check-geojson", tmp_path / "p.truth.geojson").exit_code == 0
    refused = run("phantom", tmp_path / "q.tiff", "--height", 3)
    assert refused.exit_code == 2
    assert "at least 64" in refused.output


def test_the_scene_of_a_phantom_is_chosen(tmp_path):
    truths = []
    for name, scene in (("a", ()), ("b", ("--scene", "tissue")), ("c", ("--scene", "seams"))):
        result = run("phantom", tmp_path / f"{name}.tiff", "--height", 300, "--width", 400, *scene)
        assert result.exit_code == 0, result.output
        truths.append((tmp_path / f"{name}.truth.geojson").read_bytes())
    assert truths[0] == truths[1] != truths[2]
    refused = run("phantom", tmp_path / "d.tiff", "--scene", "bone")
    assert refused.exit_code == 2
    assert "'bone' is not one of 'tissue', 'seams'" in refused.output


def test_check_geojson_fails_on_a_fault(tmp_path):
    path = tmp_path / "bad.geojson"
    path.write_text('{"type": "FeatureCollection", "features": [{"type": "Feature"}]}')
    result = run("check-geojson", path)
    assert result.exit_code == 1
    assert "feature 1: id None is not a UUID" in result.output


def test_one_faulty_file_among_sound_ones_fails_the_check(tmp_path):
    bad, good = tmp_path / "bad.geojson", tmp_path / "good.geojson"
    bad.write_text('{"type": "FeatureCollection", "features": [{"type": "Feature"}]}')
    good.write_text('{"type": "FeatureCollection", "features": []}')
    assert run("check-geojson", good).exit_code == 0
    assert run("check-geojson", bad, good).exit_code == 1


def test_view_opens_a_browser_unless_told_otherwise(tmp_path, monkeypatch):
    from nucwsi.steps import view as module

    opened = []
    monkeypatch.setattr(click, "launch", opened.append)

    def view(results, *, port, token, writable, ready):
        ready(f"http://x:{port}" + "/?token=t" * token)

    monkeypatch.setattr(module, "view", view)
    told = run("view", tmp_path, "--no-browser", "--no-token", "--port", 7).output
    assert told == "http://x:7  (Ctrl+C ends it)\n"
    assert opened == []
    assert run("view", tmp_path, "--no-token", "--port", 8).exit_code == 0
    assert opened == ["http://x:8"]
    told = run("view", tmp_path, "--token", "--port", 9).output
    assert told == "http://x:9/?token=t  (Ctrl+C ends it)\n"
    assert opened == ["http://x:8"], "the browser's command line would show the token"

"""`rsfm finetune --images ... --labels ...`: what cannot work is one line, and nothing is left behind."""

from pathlib import Path

import pytest

from rsfm import cli
from tests.data.labels.own_files import fields, polygons, write_geojson, write_picture
from tests.small_checkpoint import make_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("small") / "small")


@pytest.fixture
def words(checkpoint: Path, tmp_path: Path) -> list[object]:
    (tmp_path / "scenes").mkdir()
    write_picture(tmp_path / "scenes" / "a.tif", fields())
    labels = write_geojson(tmp_path / "parcels.geojson", polygons(fields()))
    return [checkpoint, "--images", tmp_path / "scenes", "--labels", labels, "--sensor", "sentinel2_l2a"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--label-column", "crops"], "Did you mean 'crop'?"),
        (["--label-column", "crop", "--sensor", "sentinel2_l2b"], "Did you mean 'sentinel2_l2a'?"),
        (["--label-column", "crop", "--data", "labels.csv"], "--images and --data: expected one of them"),
        (["--label-column", "crop", "--buffer-m", "-3"], "expected metres, 0 or more"),
        (["--label-column", "crop", "--task", "segmentatio"], "Did you mean 'segmentation'?"),
        (["--label-column", "crop", "--out", "gs://bucket/run"], "is an address"),
        (["--label-column", "crop", "--validation", "even"], "the split is trained on"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_and_leaves_nothing(more, says, words, tmp_path, capsys) -> None:
    words = [*words, "--out", tmp_path / "run", *more]
    assert cli.main(["finetune", *map(str, words)]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("rsfm: ") and says in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("option", ["--label-column", "--name", "--sensor", "--background", "--labels"])
def test_options_of_pictures_need_pictures(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["finetune", "nano", "--dataset", "aid_rsicd", option, "x", "--out", str(tmp_path / "run")]) == 2
    assert f"{option} is of your own pictures" in capsys.readouterr().err

"""`rsfm pretrain`: any folder of images teaches an encoder, which other commands start from; what cannot be read is told."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from rsfm import cli, pretrained
from rsfm.nn.weights import read_tensors
from rsfm.objectives import OBJECTIVES, make_objective
from rsfm.processor.asked import resolve
from rsfm.processor.taught import Taught, View
from rsfm.training.recipes import RECIPES
from rsfm.training.taught import ANY_GSD
from tests.data.rasters import UTM, sentinel2, write_tif
from tests.small_checkpoint import make_checkpoint, small_config

QUICK = ["--batch-size", 8, "--train.eval_batches", 1]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without the ImageNet pyramid and the heads of maps, which take a minute to compile."""
    config = small_config()
    streams = {name: dataclasses.replace(config.streams[name], options={}) for name in ("optical", "sar")}
    heads = {"value": dataclasses.replace(config.heads["value"], experts=None)}
    config = dataclasses.replace(config, streams=streams, heads=heads, necks={})
    return make_checkpoint(tmp_path_factory.mktemp("small") / "small", config)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentinel-2 of two places and Sentinel-1 of a third, one file that is none, and words."""
    folder, rng = tmp_path_factory.mktemp("own") / "scenes", np.random.default_rng(0)
    for i, name in enumerate(("S2A_MSIL2A_20210503T101031", "north/S2B_MSIL2A_20210612T101031")):
        write_tif(folder / f"{name}.tif", sentinel2(rng), transform=UTM @ UTM.translation(0, -500 * i))
    backscatter = rng.uniform(-20, -5, (40, 50, 2)).astype(np.float32)
    place = UTM @ UTM.translation(900, 0)
    write_tif(folder / "S1A_IW_GRDH_20210504.tif", backscatter, transform=place, descriptions=("VV", "VH"))
    (folder / "broken.tif").write_bytes(b"II*\0 no picture")
    (folder / "notes.txt").write_text("not an image")
    return folder


def run(*words: object) -> int:
    return cli.main(["pretrain", *map(str, words)])


def test_two_sensors_teach_an_encoder_that_others_start_from(
    checkpoint: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, words = tmp_path / "run", [scenes, "--from", checkpoint, "--steps", 4, *QUICK]
    assert run(*words, "--out", out) == 0
    told = capsys.readouterr()
    assert sum("broken.tif" in line for line in told.err.splitlines()) == 1 and "notes.txt" not in told.err
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4] and all(np.isfinite(row["loss"]) for row in rows)
    held_out = [json.loads(line) for line in (out / "evaluation.jsonl").read_text().splitlines()]
    assert held_out and all(np.isfinite(row["loss"]) for row in held_out)
    before, after = (read_tensors(folder / "model.safetensors") for folder in (checkpoint, out / "model"))
    assert before.keys() == after.keys() and pretrained.load(out).name == "run"
    moved = {name for name in before if not np.array_equal(before[name].astype(np.float32), after[name])}
    assert {name.split(".")[0] for name in moved} >= {"encoder", "tokenizers"}
    assert not {name for name in moved if name.startswith(("decoder", "heads", "connector"))}

    again = tmp_path / "again"  # stopped and resumed: the same numbers
    assert run(*words, "--out", again, "--train.stop_after", 2, "--train.save_every", 2) == 0
    assert run(*words, "--out", again, "--resume") == 0
    resumed = read_tensors(again / "model" / "model.safetensors")
    assert all(np.array_equal(resumed[name], after[name]) for name in after)
    capsys.readouterr()

    names = ("S2A_MSIL2A_20210503T101031.tif", "north/S2B_MSIL2A_20210612T101031.tif")
    table = scenes / "labels.csv"
    table.write_text("image,split,scene\n" + "".join(f"{name},train,field {i}\n" for i, name in enumerate(names)))
    tuned = ["finetune", out, "--data", table, "--out", tmp_path / "tuned", "--steps", 1, "--batch-size", 8]
    assert cli.main([str(word) for word in tuned]) == 0
    assert f"{len(after)} of {len(after)} arrays taken" in capsys.readouterr().out
    assert {each.task for each in pretrained.load(tmp_path / "tuned").processor.config.taught} == {
        "scene",
        "pretraining",
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["{scenes}/absent"], "expected a folder of images, found nothing"),
        (["{scenes}/notes.txt"], "expected a folder of images, found a file"),
        (["{scenes}", "--objective", "maskd"], "Unknown pretraining objective 'maskd'. Did you mean 'masked'?"),
        (["{scenes}", "--size", "huge"], "Unknown size 'huge'"),
        (["{scenes}", "--from", "nanoo"], "Did you mean 'nano'"),
        (["gs://bucket/scenes"], "gs://bucket/scenes: is an address"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    words: list[str], says: str, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*[word.format(scenes=scenes) for word in words], "--out", tmp_path / "run") == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("rsfm: ") and says in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_names_an_objective_with_its_options_and_a_teacher_that_suits_it(name: str) -> None:
    recipe = RECIPES[name]
    assert not OBJECTIVES[recipe.objective].labels
    config = make_objective(recipe.objective, recipe.options).config
    assert set(recipe.targets) == set(config.targets)
    assert ("encoded" in recipe.targets) == (0 < recipe.teacher_decay < 1)


@pytest.mark.parametrize(
    "question", ["Map the water.", "What is this?", "How many trees are there?", "Describe the image."]
)
def test_an_encoder_without_words_declines_every_question(question: str) -> None:
    taught = (Taught(task="pretraining", name="images without labels", sensor="sentinel2_l2a", gsd_m=ANY_GSD),)
    assert not resolve(question, taught, View(sensors=(("sentinel2_l2a", 10.0),))).taught

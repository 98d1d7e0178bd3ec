"""A dialogue about a scene: each turn knows the earlier ones, answers are those of `predict`, a terminal shows them."""

import dataclasses
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rsfm import cli, pretrained
from rsfm.answer.conversation import Conversation
from rsfm.answer.footprint import RecordFootprint
from rsfm.answer.predict import predict
from rsfm.errors import UserError
from rsfm.processor import Processor
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.text.mentions import images, place_images
from rsfm.types import Record
from tests.small_checkpoint import interleaved_config, make_checkpoint

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = {"max_new_tokens": 6}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("chat") / "small")


@pytest.fixture(scope="module")
def loaded(checkpoint: Path) -> pretrained.Pretrained:
    """With room for few words, so that a dialogue soon fills it."""
    found = pretrained.load(checkpoint)
    config = dataclasses.replace(found.processor.config, text_lengths=(64,))
    return dataclasses.replace(found, processor=Processor(config, found.processor.text))


def series(dates: int = 2) -> Record:
    values = np.random.default_rng(0).uniform(0.1, 0.6, (dates, 32, 32, 3)).astype(np.float32)
    days = [6000.0 + 365 * i for i in range(dates)]
    return Record(
        id="two dates", observations={"aerial_rgb": observe(SENSORS["aerial_rgb"], values, time_days=days, gsd_m=0.5)}
    )


def test_turns_are_those_of_predict_and_are_remembered(loaded: pretrained.Pretrained) -> None:
    footprint = RecordFootprint(series(1))
    talk = Conversation(loaded.model, loaded.processor, footprint, **OPTIONS)
    asked = "What scene is this?"
    pieces = list(talk.ask(asked))
    expected = predict(loaded.model, loaded.processor, footprint, asked, **OPTIONS)
    assert talk.answer is not None and talk.answer.text == expected.text
    assert "".join(pieces).strip().endswith(expected.text.split("\n")[-1].strip())
    list(talk.ask("Map the water, trees."))
    assert talk.answer.mask is not None and talk.answer.mask.legend == ("water", "trees")
    assert [question for question, _ in talk.history] == [asked, "Map the water, trees."]
    assert talk.history[1][1] == "water <mask> trees <mask>"
    list(talk.ask("How many hectares of water are there?"))
    assert [value.unit for value in talk.answer.values] == ["ha"], "the number of the last turn, after a map"
    for _ in range(3):
        list(talk.ask("And who lives here, behind the trees?"))
    assert talk.forgotten > 0 and len(talk.history) < 6
    talk.constrain("yes/no")
    list(talk.ask("Is there water?"))
    assert talk.answer.text in ("yes", "no")
    talk.forget()
    assert talk.history == []


def test_what_cannot_be_asked_is_told(loaded: pretrained.Pretrained) -> None:
    talk = Conversation(loaded.model, loaded.processor, RecordFootprint(series()), **OPTIONS)
    with pytest.raises(UserError, match=r"the text has \d+ tokens, \d+ over the 64 allowed"):
        list(talk.ask("airport and harbour " * 40))
    with pytest.raises(UserError, match="names 3 <image>, the record holds 2"):
        list(talk.ask("Compare <image>, <image> and <image>."))
    with pytest.raises(UserError, match="Unknown form of answer 'yesno'. Did you mean 'yes/no'"):
        talk.constrain("yesno")
    assert talk.history == []


def test_images_are_named_where_they_stand(loaded: pretrained.Pretrained) -> None:
    record = series()
    assert images(record)[0].endswith("0.5 m, 2016-06-05") and images(record)[1].endswith("0.5 m, 2017-06-05")
    told = place_images("What changed from <image> to <image>?", record)
    first, second = images(record)
    assert told == f"What changed from [image 1: {first}] to [image 2: {second}]?"
    roomy = Processor(dataclasses.replace(loaded.processor.config, text_lengths=(320,)), loaded.processor.text)
    sample = roomy.prompt(record, "What changed from <image> to <image>?", history=[("Where?", "Here.")])
    assert told in roomy.text.decode(sample.text_ids[sample.text_valid].tolist())
    assert sample.observations["optical"].values.shape[0] == 2, "both dates go in"


def test_images_stand_in_the_dialogue(tmp_path: Path) -> None:
    """A checkpoint with an interleaved connector answers, maps and forgets as any other; its images' tokens count."""
    loaded = pretrained.load(make_checkpoint(tmp_path / "small", interleaved_config()))
    config = dataclasses.replace(loaded.processor.config, text_lengths=(48,))
    talk = Conversation(loaded.model, Processor(config, loaded.processor.text), RecordFootprint(series()), **OPTIONS)
    asked = "What changed from <image> to <image>?"
    list(talk.ask(asked))
    assert talk.history[0][0] == asked and talk.images() == images(series())
    assert predict(loaded.model, talk.processor, series(), asked, form="yes/no", **OPTIONS).text in ("yes", "no")
    list(talk.ask("Map the water."))
    assert talk.answer.mask is not None and talk.answer.mask.class_index.shape == (32, 32)
    for _ in range(4):
        list(talk.ask("How is it in <image>, how is it in <image>, and what else is there?"))
    assert talk.forgotten > 0
    with pytest.raises(UserError, match="names 3 <image>, the record holds 2"):
        list(talk.ask("Compare <image>, <image> and <image>."))
    with pytest.raises(UserError, match=r"over the \d+ allowed; 6 of them are those of 2 images"):
        list(talk.ask("airport and harbour " * 60))


# --- the terminal


def session(scene: Path, checkpoint: str, lines: list[str], *words: str) -> str:
    """`rsfm chat` in a pseudo-terminal: types each line when the prompt is there; all that it showed."""
    leader, follower = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "rsfm.cli",
        "chat",
        str(scene),
        "--sensor",
        "aerial_rgb",
        "--checkpoint",
        checkpoint,
    ]
    environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"} | {"TERM": "dumb"}
    process = subprocess.Popen(
        [*command, *words], stdin=follower, stdout=follower, stderr=follower, cwd=ROOT, env=environment, close_fds=True
    )
    os.close(follower)
    shown, rest, deadline = "", list(lines), time.monotonic() + 900
    try:
        while time.monotonic() < deadline:
            if select.select([leader], [], [], 1.0)[0]:
                try:
                    read = os.read(leader, 4096)
                except OSError:  # the other side has closed
                    break
                if not read:
                    break
                shown += read.decode(errors="replace").replace("\r", "")
            if rest and shown.endswith("> "):
                line = rest.pop(0)
                os.write(leader, line.encode() if line == "\x04" else f"{line}\n".encode())
                shown += "\n"
        assert process.wait(timeout=60) == 0, shown
    finally:
        process.kill()
        os.close(leader)
    assert not rest, shown
    return shown


def test_several_turns_in_a_terminal(checkpoint: Path, tmp_path: Path) -> None:
    scene, out = tmp_path / "scene.png", tmp_path / "maps"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)).save(scene)
    lines = [
        "/hlp",
        "/scene",
        "/map water, trees",
        "/form yes/no",
        "Is there water?",
        "How big is <image> beside <image>?",
        "\x04",
    ]
    shown = session(scene, str(checkpoint), lines, "--out", str(out), "--max-new-tokens", "6")
    assert "Did you mean 'help'?" in shown and "Aerial or satellite picture" in shown
    assert "wrote mask.tif, mask.geojson, overlay.png" in shown and (out / "mask.tif").stat().st_size > 0
    assert "\nyes\n" in shown or "\nno\n" in shown
    assert "names 2 <image>, the record holds 1" in shown and "Traceback" not in shown


@pytest.mark.slow
@pytest.mark.data
def test_nano_talks_about_a_real_picture(published_data: Path) -> None:
    scene = published_data / "aid_rsicd" / "images" / "Airport" / "airport_1.jpg"
    scene = scene if scene.is_file() else next((published_data / "aid_rsicd" / "images" / "Airport").glob("*.jpg"))
    lines = [
        "What scene is this?",
        "Describe the picture.",
        "How many hectares of water are there?",
        "/map water, trees",
        "/quit",
    ]
    shown = session(scene, "nano", lines)
    assert "airport" in shown.split("What scene is this?")[1][:200] and " ha" in shown and "%" in shown


def test_bad_words_before_the_first_question(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["chat", str(tmp_path / "none.tif")]) == 2
    assert "no such file" in capsys.readouterr().err
    scene = tmp_path / "scene.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(scene)
    assert cli.main(["chat", str(scene), "--sensor", "aerial_rgb", "--top-p", "0"]) == 2
    assert "expected temperature >= 0" in capsys.readouterr().err

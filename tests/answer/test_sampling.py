"""How the tokens of an answer are chosen, from the command line to the loop: drawn anew, drawn from a seed, by beams."""

from pathlib import Path

import numpy as np
import pytest

from rsfm import pretrained
from rsfm.answer.batches import stack
from rsfm.answer.conversation import Conversation
from rsfm.answer.footprint import RecordFootprint
from rsfm.answer.words import answer_records, written
from rsfm.cli import main
from rsfm.errors import UserError
from rsfm.models.generate import Sampling, beam_search
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.tasks.dialogue import special_tokens
from rsfm.types import Record
from tests.small_checkpoint import make_checkpoint
from tests.test_installed import write_fields

QUESTION = "Is this a harbour or what else do you see?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("sampling") / "checkpoint")


@pytest.fixture(scope="module")
def loaded(folder: Path) -> pretrained.Pretrained:
    return pretrained.load_foundation(folder)


@pytest.fixture(scope="module")
def record() -> Record:
    picture = np.random.default_rng(0).uniform(size=(1, 32, 32, 3)).astype(np.float32)
    return Record(
        id="r", observations={"aerial_rgb": observe(SENSORS["aerial_rgb"], picture, time_days=[9000.0], gsd_m=1.0)}
    )


def text(loaded: pretrained.Pretrained, record: Record, **how) -> str:
    options = {"max_new_tokens": 12, "sampling": Sampling(**how)}
    return answer_records(loaded.model, loaded.processor, [record], [QUESTION], **options)[0].text


def test_drawn_answers_differ_and_a_seed_repeats_them(loaded, record) -> None:
    assert len({text(loaded, record, temperature=2.0) for _ in range(4)}) > 1
    assert text(loaded, record, temperature=2.0, seed=3) == text(loaded, record, temperature=2.0, seed=3)
    assert len({text(loaded, record, temperature=2.0, seed=seed) for seed in range(4)}) > 1


def test_an_answer_by_beams_is_the_best_text_of_the_search(loaded, record) -> None:
    prompt = stack([loaded.processor.prompt(record, QUESTION)])
    ends = loaded.processor.text.end_ids
    ids = np.asarray(beam_search(loaded.model, prompt, beams=3, max_new_tokens=12, stop=ends)[0])[0]
    expected = written(loaded.processor, record, QUESTION, ids)
    assert not special_tokens(expected)  # else the heads' words stand in the answer
    assert text(loaded, record, beams=3) == loaded.processor.decode(QUESTION, expected, {}).text


def test_turns_of_a_conversation_repeat_from_a_seed_and_are_drawn_for_themselves(loaded, record) -> None:
    def talk(seed: int | None) -> list[str]:
        options = {"temperature": 3.0, "max_new_tokens": 8, "seed": seed}
        conversation = Conversation(loaded.model, loaded.processor, RecordFootprint(record), **options)
        said = []
        for _ in range(3):
            said.append("".join(conversation.ask(QUESTION)))
            conversation.forget()  # the prompt is the same again
        return said

    assert talk(5) == talk(5)
    assert len(set(talk(5))) > 1


def test_the_command_line_passes_it_on(folder: Path, tmp_path: Path, capsys) -> None:
    picture = str(write_fields(tmp_path / "fields"))
    command = ["predict", picture, "--sensor", "aerial_rgb", "--checkpoint", str(folder), "--ask", QUESTION]
    printed = []
    for words in (["--temperature", "2", "--seed", "1"],) * 2 + (
        ["--temperature", "2", "--seed", "2"],
        ["--beams", "3"],
    ):
        assert main([*command, *words]) in (0, None)
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] != printed[2] and printed[3].startswith(QUESTION)


@pytest.mark.parametrize("how", [{"beams": 0}, {"beams": 2, "temperature": 1.0}, {"seed": -1}])
def test_what_makes_no_sense_is_refused(how) -> None:
    with pytest.raises(UserError, match="expected"):
        Sampling(**how)

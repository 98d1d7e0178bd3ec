"""Can a checkpoint's answers be trusted: do intervals hold, are yes and no right, does it know what it cannot answer?

Command:   python -m experiments.answers calibrate rsfm/checkpoints/nano      (writes processor.json and the card)
           python -m experiments.answers measure nano                         (appends rows to experiments/results/answers.jsonl)
Data:      validation splits only. Maps: one picture of each place of PLACES, labels renamed by COVER. Words: aid_rsicd val, of
           which every other picture calibrates (even) and the rest measures (odd).
Protocol:  intervals of areas and presence by leaving one place out: bands and threshold are fitted on the others. 300 questions, half
           about what the checkpoint was not taught for these sensors: AUROC of the answer's confidence (0 where it declines)
           for answerable against not; error rate among the answerable 80 % it is surest of.
Result:    experiments/results/answers.jsonl and LOG.md.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from scipy.stats import rankdata

from experiments.taught import write
from rsfm.answer.likelihood import log_likelihoods
from rsfm.answer.session import Session
from rsfm.answer.trust import balanced_accuracy, fit_gate, fit_map, share_pairs, trusted
from rsfm.data.training.opening import open_records
from rsfm.errors import UserError
from rsfm.metrics import bootstrap_interval
from rsfm.pretrained import Pretrained, load_foundation
from rsfm.processor.calibration import Gate
from rsfm.scoring.results import Result, append_rows
from rsfm.tasks import TASKS
from rsfm.tasks.dialogue import plain, plural
from rsfm.tasks.facts import NOTABLE
from rsfm.tasks.vocabularies import COVER_CORINE, OBJECTS_DOTA
from rsfm.types import Answer, Record

ROWS = Path(__file__).parent / "results" / "answers.jsonl"
PLACES = ("satclip_s2_global:val", "hls_worldcover306:val")
# Classes of Dynamic World and ESA WorldCover in the words of the land-cover legend. Shrubs are rangeland to it.
COVER = {
    "tree cover": "trees",
    "cropland": "crops",
    "grassland": "rangeland",
    "grass": "rangeland",
    "shrubland": "rangeland",
    "shrub and scrub": "rangeland",
    "shrub": "rangeland",
    "built up": "built area",
    "built-up": "built area",
    "built": "built area",
    "bare / sparse vegetation": "bare ground",
    "bare": "bare ground",
    "permanent water bodies": "water",
    "herbaceous wetland": "flooded vegetation",
}
PICTURES = 120  # of aid_rsicd val, about, each half
ABSENT = tuple(plural(name) for name in OBJECTS_DOTA) + (
    "cars",
    "cows",
    "solar panels",
    "wind turbines",
    "people",
    "graves",
)
UNTAUGHT = (
    "How many {} are there?",
    "Where are the {}?",
    "Map the {}.",
    "Are there any {}?",
    "What percent of the image is {}?",
    "How many hectares of {} are there?",
    "Give the boxes of the {}.",
)
NO_HEAD = (
    "Remove the clouds.",
    "What is the above-ground biomass?",
    "What will the NDVI be next month?",
    "How deep is the water?",
    "Who owns this land?",
    "What colour are the roofs?",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Question:
    """One of the 300.

    Attributes:
        record: asked about.
        text: the question.
        truth: what is right: a scene, "yes" or "no", a share as a number; None: it cannot be answered.
    """

    record: Record
    text: str
    truth: Any


def places(sources: Sequence[str] = PLACES) -> list[tuple[str, Record]]:
    """One labelled picture of each place."""
    found: dict[str, Record] = {}
    for source in sources:
        name, _, split = source.partition(":")
        records: Any = open_records(name, split)
        for i in range(len(records)):
            place = f"{name} {records.group(i)}"
            if place not in found and records[i].mask is not None:
                found[place] = records[i]
    return list(found.items())


def pictures(offset: int) -> Iterator[Record]:
    """Every other picture of aid_rsicd val, from the offset on, spread over its classes."""
    records = open_records("aid_rsicd", "val")
    step = len(records) // PICTURES & ~1
    return (records[i] for i in range(offset, len(records), step))


def scene_scores(loaded: Pretrained, records: Sequence[Record], names: tuple[str, ...]) -> np.ndarray:
    """Log likelihood of each scene's name, a row a picture."""
    answers = tuple(f"{name} ." for name in names)
    asked = TASKS["scene"].question(records[0])
    return np.stack([log_likelihoods(loaded.model, loaded.processor, record, asked, answers) for record in records])


def scene_names(loaded: Pretrained) -> tuple[str, ...]:
    """Scenes of aerial pictures that the checkpoint was taught."""
    entries = [e for e in loaded.processor.config.taught if e.task == "scene" and e.sensor == "aerial_rgb"]
    if not entries:
        raise UserError(f"{loaded.name} was taught no scenes. Run python -m experiments.taught first.")
    return entries[0].subjects


def calibrate(folder: tyro.conf.Positional[Path], sources: tuple[str, ...] = PLACES) -> None:
    """Measures intervals, thresholds and temperature, and writes them into the checkpoint."""
    loaded, names = load_foundation(folder), scene_names(load_foundation(folder))
    pairs = share_pairs(loaded.model, loaded.processor, places(sources), COVER)
    found = fit_map(pairs, source=", ".join(sources))
    records = list(pictures(0))
    right = [names.index(plain(str(record.scene))) for record in records]
    gate = fit_gate(scene_scores(loaded, records, names), right, source="aid_rsicd val, even")
    print(found, gate, sep="\n")
    write(folder, trusted(loaded.processor, maps={"land cover": found}, gates={"scene": gate}))


def measure(checkpoint: tyro.conf.Positional[str], sources: tuple[str, ...] = PLACES, out: Path = ROWS) -> None:
    """Appends the rows."""
    loaded = load_foundation(checkpoint)
    command = f"python -m experiments.answers measure {checkpoint}"
    everywhere = places(sources)
    rows = [*of_places(loaded, everywhere), *of_pictures(loaded), *of_questions(loaded, everywhere)]
    common: dict[str, Any] = {"config": checkpoint, "model": checkpoint, "command": command, "split": "val"}
    append_rows(out, [Result(**common, **_finite(row)) for row in rows])
    for row in rows:
        print(f"{row['metric']:60s} {row['value']:.3f} ({row['low']:.3f}-{row['high']:.3f}) n {row['n']}")


def of_places(loaded: Pretrained, everywhere: Sequence[tuple[str, Record]]) -> Iterator[dict[str, Any]]:
    """Coverage of the intervals and right yes and no, one place left out at a time."""
    pairs = share_pairs(loaded.model, loaded.processor, everywhere, COVER)
    names = sorted({pair.place for pair in pairs})
    held, width, said, given = [], [], [], []
    for place in names:
        trust = fit_map([pair for pair in pairs if pair.place != place])
        for pair in (pair for pair in pairs if pair.place == place):
            ends = trust.interval(pair.mapped)
            if max(pair.mapped, pair.true) >= NOTABLE:
                given.append(float(ends is not None))
                if ends is not None:
                    held.append(float(ends[0] <= pair.true <= ends[1]))
                    width.append(ends[1] - ends[0])
            said.append((pair, pair.mapped >= trust.present))
    yield row("area and share: classes with an interval", given, "leave-one-place-out")
    if held:
        yield row("area and share: intervals that hold", held, "leave-one-place-out")
        yield row("area and share: width of the interval", width, "leave-one-place-out")
    for name in sorted({pair.name for pair in pairs}):
        truth = np.array([pair.true >= NOTABLE for pair, _ in said if pair.name == name])
        yes = np.array([found for pair, found in said if pair.name == name])
        if truth.any() and not truth.all():
            yield balanced(f"yes/no balanced accuracy: {name}", truth, yes, "leave-one-place-out")
    every = np.array([pair.true >= NOTABLE for pair, _ in said]), np.array([found for _, found in said])
    yield balanced("yes/no balanced accuracy: land cover", *every, "leave-one-place-out")


def of_pictures(loaded: Pretrained) -> Iterator[dict[str, Any]]:
    """Scenes: yes and no by class, and the answers that are given."""
    names, gate = scene_names(loaded), loaded.processor.config.gates.get("scene", Gate())
    records = list(pictures(1))
    scaled = scene_scores(loaded, records, names) / gate.temperature
    chance = np.exp(scaled - scaled.max(1, keepdims=True))
    chance /= chance.sum(1, keepdims=True)
    truth = np.array([names.index(plain(str(record.scene))) for record in records])
    is_it = truth[:, None] == np.arange(len(names))
    yield balanced("yes/no balanced accuracy: scenes", is_it.reshape(-1), chance.reshape(-1) >= gate.present, "odd")
    for i, name in enumerate(names):
        if is_it[:, i].any():
            yield balanced(f"yes/no balanced accuracy: {name}", is_it[:, i], chance[:, i] >= gate.present, "odd")
    given, right = chance.max(1) >= gate.least, (chance.argmax(1) == truth).astype(float)
    yield row("scene: answers given", given.astype(float).tolist(), "odd", dataset="aid_rsicd")
    yield row("scene: accuracy of the answers given", right[given].tolist(), "odd", dataset="aid_rsicd")


def of_questions(loaded: Pretrained, everywhere: Sequence[tuple[str, Record]]) -> Iterator[dict[str, Any]]:
    """AUROC of answerability and error at 80 % coverage, over 300 questions."""
    rng = np.random.default_rng(0)
    sessions: dict[str, Session] = {}
    confidence, answerable, wrong = [], [], []
    for question in questions(loaded, everywhere, rng):
        key = question.record.id
        sessions.setdefault(key, Session(loaded.model, loaded.processor, question.record, name=loaded.name))
        answer = answer_to(sessions[key], question.text)
        if answer is None or answer.declined:
            confidence.append(0.0)
            wrong.append(1.0)
        else:
            confidence.append(0.5 if answer.confidence is None else answer.confidence)
            wrong.append(float(not right(answer.text, answer.values, question.truth)))
        answerable.append(question.truth is not None)
    sure, can, bad = np.array(confidence), np.array(answerable), np.array(wrong)
    stacked = np.column_stack([sure, can])
    low, high = bootstrap_interval(stacked, _auroc)
    shared = {"dataset": "questions", "protocol": "300-seed0"}
    yield {
        "metric": "AUROC of answerability",
        "value": _auroc(stacked),
        "low": low,
        "high": high,
        "n": len(sure),
        **shared,
    }
    order = np.argsort(-sure[can], kind="stable")[: round(0.8 * can.sum())]
    yield row("error rate at 80 % coverage", bad[can][order].tolist(), "300-seed0", dataset="questions")
    answered = sure[~can] > 0
    yield row("unanswerable questions answered", answered.astype(float).tolist(), "300-seed0", dataset="questions")


def answer_to(session: Session, text: str) -> Answer | None:
    """None where the question is refused before it is asked, as one about time is of a single picture."""
    try:
        return session.ask(text)
    except UserError:
        return None


def questions(
    loaded: Pretrained, everywhere: Sequence[tuple[str, Record]], rng: np.random.Generator
) -> Iterator[Question]:
    """150 questions with an answer, and 150 without, of the same pictures."""
    names, records = scene_names(loaded), list(pictures(1))[:75]
    maps = [record for _, record in everywhere]
    for record in records:
        scene = plain(str(record.scene))
        other = names[int(rng.integers(len(names)))]
        asked = rng.integers(3)
        if asked == 0:
            yield Question(record=record, text="What scene is this?", truth=scene)
        else:
            name = scene if asked == 1 else other
            yield Question(
                record=record, text=f"Is this scene of the class {name}?", truth="yes" if name == scene else "no"
            )
    for i in range(75):
        record = maps[i % len(maps)]
        shares = true_shares(record)
        name = str(rng.choice(sorted(shares)))
        if rng.random() < 0.5:
            yield Question(
                record=record, text=f"Is there any {name}?", truth="yes" if shares[name] >= NOTABLE else "no"
            )
        else:
            yield Question(record=record, text=f"What percent of the image is {name}?", truth=100 * shares[name])
    for i in range(150):
        record = [*records, *maps][int(rng.integers(len(records) + len(maps)))]
        untaught = [name for name in (*ABSENT, *COVER_CORINE) if not _known(loaded, record, name)]
        subject = str(rng.choice(untaught))
        text = NO_HEAD[i % len(NO_HEAD)] if i % 5 == 0 else str(rng.choice(UNTAUGHT)).format(subject)
        yield Question(record=record, text=text, truth=None)


def true_shares(record: Record) -> dict[str, float]:
    """Shares of the picture, in percent of its pixels with a label, in the words of the legend."""
    assert record.mask is not None
    named = [COVER.get(plain(name), plain(name)) for name in record.mask.legend]
    index = record.mask.class_index[record.mask.class_index >= 0]
    counts = np.bincount(index, minlength=len(named)) / max(len(index), 1)
    shares: dict[str, float] = {}
    for name, share in zip(named, counts, strict=True):
        shares[name] = shares.get(name, 0.0) + float(share)
    return {name: share for name, share in shares.items() if name in LEGEND}


LEGEND = (*dict.fromkeys(COVER.values()), "snow and ice")


def right(text: str, values: Sequence[Any], truth: Any) -> bool:
    """Whether an answer is right: the scene, the yes or no, the share within 5 points or a quarter."""
    if isinstance(truth, float):
        return bool(values) and abs(values[0].value - truth) <= max(5.0, truth / 4)
    return text.lower().strip(" .").split(":")[0] == truth


def _known(loaded: Pretrained, record: Record, name: str) -> bool:
    session = Session(loaded.model, loaded.processor, record)
    return session.asked(f"Are there any {name}?").taught or session.asked(f"How many {name} are there?").taught


def _auroc(rows: np.ndarray) -> float:
    """Area under the receiver operating characteristic of (score, whether it is a positive): ties count half."""
    ranks, positive = rankdata(rows[:, 0]), rows[:, 1] > 0
    n, m = positive.sum(), (~positive).sum()
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m)) if n and m else float("nan")


def row(metric: str, values: Sequence[float], protocol: str, dataset: str = "places") -> dict[str, Any]:
    """A mean with its interval."""
    array = np.asarray(values, float)[:, None]
    low, high = bootstrap_interval(array, lambda rows: float(rows.mean()))
    found = {"metric": metric, "value": float(array.mean()), "low": low, "high": high, "n": len(array)}
    return {**found, "dataset": dataset, "protocol": protocol}


def balanced(metric: str, truth: np.ndarray, found: np.ndarray, protocol: str) -> dict[str, Any]:
    """A balanced accuracy with its interval."""
    stacked = np.column_stack([truth, found]).astype(bool)
    low, high = bootstrap_interval(stacked, lambda rows: _balanced(rows))
    dataset = "aid_rsicd" if protocol == "odd" else "places"
    value = _balanced(stacked)
    return {
        "metric": metric,
        "value": value,
        "low": low,
        "high": high,
        "n": len(stacked),
        "dataset": dataset,
        "protocol": protocol,
    }


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """The row with None for ends of an interval that resampling did not give."""
    return {key: None if isinstance(value, float) and value != value else value for key, value in row.items()}


def _balanced(rows: np.ndarray) -> float:
    truth, found = rows[:, 0].astype(bool), rows[:, 1].astype(bool)
    return balanced_accuracy(truth, found) if truth.any() and not truth.all() else float("nan")


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"calibrate": calibrate, "measure": measure})

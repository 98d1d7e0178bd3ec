"""Puts the report together from a run folder, the trained model and the records it is judged by."""

import dataclasses
import platform
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rsfm.answer.predict import predict
from rsfm.config import read_json
from rsfm.data.labels.description import Description
from rsfm.data.labels.drawing import class_table
from rsfm.data.reading.scene import open_scene
from rsfm.data.training.pipeline import Records
from rsfm.data.writing.atomic import write_text
from rsfm.processor import Processor
from rsfm.scoring.commits import current_commit
from rsfm.scoring.evaluation import evaluate
from rsfm.scoring.report import figures
from rsfm.scoring.report.page import Picture, Section, page, png_of
from rsfm.tasks import TASKS, Task
from rsfm.training.log import read_rows
from rsfm.types import Answer, Record

SHOWN, MOST_RECORDS, MOST_FILES = 4, 256, 200  # samples of each kind; records scored; files whose digest is listed
PART = 512  # edge in pixels of the part of a picture that is mapped


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judged:
    """Records with their answers.

    Attributes:
        split: of the data set.
        task: that was asked.
        records, answers: in order.
        scores: rows with metric, value, low, high, n.
    """

    split: str
    task: Task
    records: Sequence[Record]
    answers: Sequence[Answer]
    scores: Sequence[dict[str, Any]]


def judged(model: Any, processor: Processor, records: Records, task: str, split: str) -> Judged:
    """Asks the task's question of the first MOST_RECORDS records."""
    count = min(MOST_RECORDS, len(records))
    scores, answers = evaluate(model, processor, records, task, limit=count)
    return Judged(
        split=split, task=TASKS[task], records=[records[i] for i in range(count)], answers=answers, scores=scores
    )


def write_report(
    out: Path,
    model: Any,
    processor: Processor,
    found: Sequence[Judged],
    *,
    title: str,
    command: str,
    best: int = 0,
    description: Description | None = None,
) -> Path:
    """Writes OUT/report.html.

    Args:
        out: run folder.
        model, processor: that were trained.
        found: what it was judged by; the last one's samples are drawn.
        title: of the page.
        command: that trained it.
        best: step whose state was kept; 0 = the last.
        description: of one's own data, if that is what it was trained on.

    Raises:
        UserError: matplotlib is not installed, or the folder cannot be written to.
    """
    config = read_json(out / "config.json", "It is written by the training.")
    train = config.get("train", {})
    metrics, evaluations = read_rows(out / "metrics.jsonl"), read_rows(out / "evaluation.jsonl")
    drawn = figures.curves(metrics, evaluations, train.get("watch", ""), best)
    sections = [
        Section(title="How it was trained", code=command, rows=_facts(config, metrics, best), heading=False),
        *([] if description is None else _data(description, out / "data" / "split.png")),
        Section(title="Curves", pictures=[Picture(png=png_of(drawn), alt="losses and scores by step")]),
    ]
    for each in found:
        sections.append(_scores(each))
    if found:
        sections += _samples(found[-1])
        sections += _map(model, processor, found[-1], description)
    if description is not None:
        sections.append(_digests(description))
    sections.append(Section(title="With what", rows=_versions(), heading=False))
    write_text(
        out / "report.html", page(title, f"Trained in {out.name}, commit {current_commit(Path.cwd())}", sections)
    )
    return out / "report.html"


def _facts(config: dict[str, Any], metrics: Sequence[dict[str, Any]], best: int) -> list[tuple[str, Any]]:
    train, sources = config.get("train", {}), config.get("data", [])
    rows: list[tuple[str, Any]] = [("steps", f"{metrics[-1]['step'] if metrics else 0:,} of {train.get('steps', 0):,}")]
    rows += [("checkpoint", f"of step {best}, best by {train['watch']}")] if best and train.get("watch") else []
    rows += [("seed", train.get("seed", 0)), ("learning rate", train.get("optimizer", {}).get("learning_rate"))]
    rows += [("samples a step", source["batch_size"]) for source in sources[:1]]
    rows += [("tasks", ", ".join(source["tasks"])) for source in sources[:1]]
    return rows + [("started from", config.get("init_from") or "random weights")]


def _data(description: Any, split: Path) -> list[Section]:
    blocks = len({place.block for place in description.places})
    told = (
        f"{len(description.pictures)} pictures, {len(description.places)} places in {blocks} blocks of ground, none of which "
        f"is in two splits. Labels: {description.labels}. {' '.join(description.notes)}"
    )
    pictures = [Picture(png=split.read_bytes(), alt="which blocks are trained on")] if split.is_file() else []
    return [Section(title="Data, parted by place", text=told, rows=class_table(description), pictures=pictures)]


def _scores(each: Judged) -> Section:
    rows: list[tuple[str, ...]] = [("score", "value", "95 % interval", "labels")]
    for score in each.scores:
        bounds = [score["low"], score["high"]]
        interval = "" if not np.isfinite(bounds).all() else f"{bounds[0]:.4f} to {bounds[1]:.4f}"
        rows.append((score["metric"], f"{score['value']:.4f}", interval, f"{score['n']:,}"))
    drawn = _confusion(each)
    pictures = [] if drawn is None else [Picture(png=png_of(drawn), alt=f"answers against labels, {each.split}")]
    held = {"test": ", which training never looked at", "val": ", which chose the checkpoint"}.get(each.split, "")
    return Section(title=f"{each.task.name} on {each.split}{held}", rows=rows, pictures=pictures)


def _confusion(each: Judged) -> Any:
    """A drawing of what was taken for what; None for tasks whose answers are sentences or boxes."""
    rows = [each.task.statistics(r, a) for r, a in zip(each.records, each.answers, strict=True)]
    rows = [row for row in rows if len(row)]
    masks = [record.mask for record in each.records if record.mask is not None]
    if each.task.name == "segmentation" and rows:
        side = len(masks[0].legend) + 1
        counts = sum(row.sum(0) for row in rows).reshape(side, side)[:-1]
        names = [*masks[0].legend, "none"]
        whole = np.vstack([counts, np.zeros((1, side))])
        used = side if whole[:, -1].any() else side - 1
        return figures.confusion(whole[: side - 1 if used < side else side, :used], names[:used])
    if each.task.name == "scene":
        pairs = Counter(
            (r.scene, a.text.strip(" .")) for r, a in zip(each.records, each.answers, strict=True) if r.scene
        )
        known = sorted({name.lower() for name, _ in pairs})
        names = [*known, *(["something else"] if any(said not in known for _, said in pairs) else [])]
        table = np.zeros((len(names), len(names)))
        for (name, said), n in pairs.items():
            table[names.index(name.lower()), names.index(said) if said in known else -1] += n
        return figures.confusion(table, names)
    numbers = [row[:, :2] for row in rows if row.shape[1] == 4]
    return (
        figures.scatter(np.concatenate(numbers)) if numbers and each.task.name in ("counting", "regression") else None
    )


def _samples(each: Judged) -> list[Section]:
    """The records that were answered worst, and some drawn by chance."""
    metric = next(iter(each.task.metrics))
    sign = 1 if each.task.higher_is_better[metric] else -1
    marks: dict[int, float] = {}
    for i, (record, answer) in enumerate(zip(each.records, each.answers, strict=True)):
        rows = each.task.statistics(record, answer)
        value = float(each.task.metrics[metric](rows)) if len(rows) else float("nan")
        if np.isfinite(value) and record.observations and _is_picture(record):
            marks[i] = value
    if not marks:
        return []
    worst = sorted(marks, key=lambda i: (sign * marks[i], i))[:SHOWN]
    drawn = sorted(np.random.default_rng(0).permutation(sorted(marks))[:SHOWN].tolist())
    sections = []
    for title, chosen in (("Answered worst", worst), ("Drawn by chance", drawn)):
        columns = [
            (f"{each.records[i].id[-28:]}\n{metric} {marks[i]:.2f}", each.records[i], each.answers[i]) for i in chosen
        ]
        sections.append(
            Section(title=title, pictures=[Picture(png=png_of(figures.samples(columns)), alt=f"{title}, {each.split}")])
        )
    return sections


def _is_picture(record: Record) -> bool:
    return all(min(each.values.shape[1:3]) > 1 for each in record.observations.values())


def _map(model: Any, processor: Processor, each: Judged, description: Description | None) -> list[Section]:
    """The map of a part of the first picture, or of the record with the most pixels."""
    labelled = [record for record in each.records if record.mask is not None and _is_picture(record)]
    if each.task.name != "segmentation" or not labelled:
        return []
    largest = max(labelled, key=lambda record: record.mask.class_index.size)  # type: ignore[union-attr]
    shown = largest if description is None else _part(description)
    question = each.task.question(largest)
    answer = predict(model, processor, dataclasses.replace(shown, mask=None), question)
    drawn = png_of(figures.overview(shown, answer))
    told = (
        f"{question} Asked of a part of a picture; training saw some of this ground."
        if shown is not largest
        else question
    )
    return [Section(title="A map", text=told, pictures=[Picture(png=drawn, alt="a scene beside its map")])]


def _part(description: Description) -> Record:
    """The middle of the first picture."""
    scene = open_scene([Path(path) for path in description.pictures[0]], **description.reading.options())
    height, width = min(PART, scene.height), min(PART, scene.width)
    return scene.read(((scene.height - height) // 2, (scene.width - width) // 2, height, width))


def _digests(description: Description) -> Section:
    rows: list[tuple[str, str]] = [("file", "SHA-256"), *list(description.digests.items())[:MOST_FILES]]
    left = len(description.digests) - MOST_FILES
    return Section(
        title="Data files", rows=rows, hashes=True, text=f"{left} more in data/labels.json." if left > 0 else ""
    )


def _versions() -> list[tuple[str, str]]:
    names = ("rsfm", "jax", "flax", "numpy", "rasterio")
    devices = f"{jax.device_count()} x {jax.devices()[0].device_kind}"
    return [("Python", platform.python_version()), *((name, _version(name)) for name in names), ("devices", devices)]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # run from its folder
        return "not installed"

"""Description: sentences made of a record's boxes, mask and scene: captions for data that has none."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from rsfm import metrics as scores
from rsfm.tasks import facts
from rsfm.tasks.dialogue import Dialogue, pick, plain, plural
from rsfm.types import Answer, Record

QUESTIONS = (
    "Describe what the labels of this image show.",
    "List what is in this image, with numbers.",
    "Give a summary of the objects and the land cover.",
    "What is in this image, how much of it, and where?",
    "Sum up this scene in a sentence or two.",
)
COUNTED = (
    "There {verb} {things} in the image.",
    "The image shows {things}.",
    "{Things} can be seen.",
    "This is a view of {things}.",
)
COVERED = (
    "The ground is covered by {cover}.",
    "The land cover is {cover}.",
    "It shows {cover} of the area.",
    "By area, there is {cover}.",
)
CHANGED = (
    "{share} % of the ground has changed between the dates.",
    "Between the dates, {share} % of the ground changed.",
    "The change covers {share} % of the ground.",
    "From the first date to the last, {share} % of the area is different.",
)
SCENE = (
    "The scene is {scene}.",
    "This is a scene of the class {scene}.",
    "It is an image of {scene}.",
    "Scene: {scene}.",
)


class Description:
    """Asks for a description; every wording of the same facts is a reference of the score.

    Counts come from the boxes, with the part of the picture where a class lies together; shares of the ground come from
    a mask that labels all of it. Captions that people wrote are the task "captioning".
    """

    name = "description"
    metrics: Mapping[str, scores.Metric] = {"bleu4": scores.bleu4}
    higher_is_better: Mapping[str, bool] = {"bleu4": True}

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        """As in "There are 3 ships and 1 harbor in the image. The ships are in the top left."."""
        known = descriptions(record)
        return Dialogue(turns=((pick(QUESTIONS, rng), pick(known, rng)),)) if known else None

    def subjects(self, record: Record) -> tuple[str, ...] | None:
        """None by name: it tells of what the labels hold."""
        return () if descriptions(record) else None

    def question(self, record: Record) -> str:
        """The first wording."""
        return QUESTIONS[0]

    def statistics(self, record: Record, answer: Answer) -> Float[np.ndarray, "n 10"]:
        """The n-gram counts of BLEU-4."""
        known = descriptions(record)
        return scores.bleu_statistics(answer.text, known)[None] if known else np.zeros((0, 10))


def descriptions(record: Record) -> tuple[str, ...]:
    """The same facts in every wording; none where there is neither box nor mask."""
    things, where, cover, change = _things(record), _where(record), _cover(record), facts.change(record)
    if not things and not cover and change is None:
        return ()
    out = []
    for counted, covered, changed, scene in zip(COUNTED, COVERED, CHANGED, SCENE, strict=True):
        parts = [] if record.scene is None else [scene.format(scene=plain(record.scene))]
        if things:
            verb = "is" if things[0].startswith("1 ") else "are"
            told = facts.joined(things)
            parts += [counted.format(verb=verb, things=told, Things=told), *where]
        parts += [covered.format(cover=facts.joined(cover))] if cover else []
        parts += (
            [changed.format(share="less than 1" if 0 < change[0] < 0.01 else round(100 * change[0]))] if change else []
        )
        out.append(" ".join(parts))
    return tuple(out)


def _things(record: Record) -> list[str]:
    """`3 ships`, the most frequent class first."""
    labels = () if record.boxes is None else map(plain, record.boxes.labels)
    ordered = sorted(Counter(labels).items(), key=lambda item: (-item[1], item[0]))
    return [f"{n} {name if n == 1 else plural(name)}" for name, n in ordered]


def _where(record: Record) -> list[str]:
    """A sentence for each class whose boxes lie in one ninth of the picture."""
    size = facts.picture_size(record)
    if record.boxes is None or size is None:
        return []
    places: dict[str, set[str]] = {}
    for label, corners in zip(record.boxes.labels, record.boxes.corners, strict=True):
        places.setdefault(plain(label), set()).add(facts.place(corners, size))
    counts = Counter(map(plain, record.boxes.labels))
    return [
        f"The {name if counts[name] == 1 else plural(name)} {'is' if counts[name] == 1 else 'are'} in the {found.pop()}."
        for name, found in sorted(places.items())
        if len(found) == 1
    ]


def _cover(record: Record) -> list[str]:
    """`75 % trees`, the largest class first; classes of less than a percent are left out."""
    if facts.labelled_share(record) < facts.LABELLED or facts.change(record) is not None:
        return []
    ordered = sorted(facts.class_shares(record).items(), key=lambda item: (-item[1], item[0]))
    return [f"{round(100 * share)} % {name}" for name, share in ordered if share >= 0.01]

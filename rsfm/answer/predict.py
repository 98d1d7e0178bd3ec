"""One question about one scene; for several, and for typed calls, see rsfm.answer.session."""

from typing import Any

from rsfm.answer.footprint import Footprint
from rsfm.answer.session import Session
from rsfm.data.reading.scene import Scene
from rsfm.models.foundation import FoundationModel
from rsfm.processor import Processor
from rsfm.types import Answer, Record


def predict(
    model: FoundationModel,
    processor: Processor,
    source: Footprint | Scene | Record,
    question: str,
    *,
    max_new_tokens: int = 64,
    form: str = "",
    **options: Any,
) -> Answer:
    """Asks one question of a scene of any size.

    What is about mapped classes is read from the map of their legend, made window by window at the scene's own
    resolution; any other answer comes from the whole scene, shrunk to what the model reads at once; what the checkpoint was
    not taught is declined in one line.

    Args:
        model: weights.
        processor: of the same checkpoint.
        source: scene, scenes on one grid, or record.
        question: in words, e.g. "Map the land cover: water, trees, crops."
        max_new_tokens: longest answer in tokens.
        form: what an answer in words may look like, see rsfm.text.forms.form: "number", "label: a, b", ...
        options: of rsfm.answer.session.Session: overlap, batch_size, probability, progress, sampling, name.

    Returns:
        The answer; a mask lies on the scene's grid.
    """
    session = Session(model, processor, source, **options)
    return session.ask(question, form=form, max_new_tokens=max_new_tokens)

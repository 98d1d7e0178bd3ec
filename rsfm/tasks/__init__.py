"""How a Record becomes a question, a target and a score: one file a task, all in TASKS."""

from collections.abc import Sequence

import numpy as np

from rsfm.errors import UserError, lookup
from rsfm.tasks.captioning import Captioning
from rsfm.tasks.change import Change
from rsfm.tasks.counting import Counting
from rsfm.tasks.description import Description
from rsfm.tasks.dialogue import Dialogue, Task, merge, pick
from rsfm.tasks.forecasting import Forecasting
from rsfm.tasks.grounding import Grounding
from rsfm.tasks.instruction import Instruction
from rsfm.tasks.multilabel import Multilabel
from rsfm.tasks.plan import GroundTask, Plan
from rsfm.tasks.regression import Regression
from rsfm.tasks.scene import Scene
from rsfm.tasks.segmentation import Segmentation
from rsfm.tasks.value_map import ValueMapping
from rsfm.tasks.vqa import Vqa
from rsfm.types import Record

__all__ = ["TASKS", "Dialogue", "GroundTask", "Plan", "Task", "converse", "merge"]

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Scene(),
        Multilabel(),
        Captioning(),
        Vqa(),
        Segmentation(),
        Change(),
        Regression(),
        ValueMapping(),
        Forecasting(),
        Counting(),
        Instruction(),
        Description(),
        Grounding(),
    )
}


def converse(names: Sequence[str], record: Record, rng: np.random.Generator) -> Dialogue | None:
    """One conversation about a record: a turn of each named task that its labels allow, None if there is none.

    Without tasks the conversation is empty: the record teaches without words.

    Example:
        >>> converse(("scene", "captioning"), record, np.random.default_rng(0)).turns
    """
    if len(set(names)) != len(names):
        raise UserError(f"Tasks {', '.join(names)}: expected each task once. Remove the repeated one.")
    if not names:
        return Dialogue(turns=())
    dialogues = [lookup(TASKS, "task", name).dialogue(record, rng) for name in names]
    known = [dialogue for dialogue in dialogues if dialogue is not None]
    maps = [dialogue for dialogue in known if dialogue.mapped]
    if len(maps) > 1:  # one map a conversation
        left = pick(maps, rng)
        known = [dialogue for dialogue in known if not dialogue.mapped or dialogue is left]
    return merge(known, rng) if known else None

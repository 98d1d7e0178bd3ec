"""What a head that lies on the ground makes of a whole scene for one plan."""

from collections.abc import Iterator
from typing import Any

from rsfm.answer.footprint import Footprint
from rsfm.answer.windows import plan_head, scene_windows
from rsfm.heads.mask.scene import MapRows
from rsfm.heads.mask.scene import map_rows as rows_of_map
from rsfm.heads.scene import Canvas
from rsfm.models.foundation import FoundationModel
from rsfm.processor import Plan, Processor


def joined(
    model: FoundationModel, processor: Processor, footprint: Footprint, plan: Plan, **options: Any
) -> tuple[Any, Canvas]:
    """What the plan's head joins of the scene's windows, and the canvas it lies on; options as of `scene_windows`."""
    windows, canvas = scene_windows(model, processor, footprint, plan, **options)
    return plan_head(processor, plan)[1].join(windows, canvas), canvas


def scene_map(model: FoundationModel, processor: Processor, footprint: Footprint, plan: Plan, **options: Any) -> Any:
    """The same without the canvas: for a legend the `SceneMap` of its classes."""
    return joined(model, processor, footprint, plan, **options)[0]


def map_rows(
    model: FoundationModel, processor: Processor, footprint: Footprint, plan: Plan, **options: Any
) -> Iterator[MapRows]:
    """The map of a legend some rows at a time, with its probabilities; options as of `scene_windows`."""
    return rows_of_map(*scene_windows(model, processor, footprint, plan, **options))

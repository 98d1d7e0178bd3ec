"""Weights of the hub are those of one commit, whatever its branch holds tomorrow; an index of shards stays in its folder."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from rsfm.errors import UserError
from rsfm.models.hf import load_decoder, open_checkpoint
from rsfm.models.hf.hub import check_pinned, download, is_hub_id
from tests.models.test_decoder_parity import RECORDED

OLD, NEW = "1" * 40, "2" * 40


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, str | None]]:
    """A hub whose main is at NEW and whose tag v1 is at OLD; gives what it was asked for."""
    asked = []

    def snapshot(repository: str, *, revision: str | None = None, allow_patterns: list[str]) -> str:
        asked.append((repository, revision))
        commit = {None: NEW, "main": NEW, "v1": OLD}.get(revision, revision)
        return str(shutil.copytree(RECORDED / "llama3", tmp_path / "snapshots" / commit, dirs_exist_ok=True))

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    return asked


@pytest.mark.parametrize(("hub_id", "commit"), [("a/b", NEW), ("a/b@main", NEW), ("a/b@v1", OLD)])
def test_what_can_move_is_said_with_its_commit(hub: list, hub_id: str, commit: str) -> None:
    checkpoint = open_checkpoint(hub_id)
    assert checkpoint.where == f"a/b@{commit}"
    assert checkpoint.notes == (
        f"{hub_id} names no commit: {commit} was taken. Write a/b@{commit} for the same files another day",
    )
    assert checkpoint.notes[0] in load_decoder(hub_id)[1].table()
    with pytest.raises(UserError, match=f"init_decoder: {hub_id} names no commit.* Give a/b@{commit}"):
        check_pinned("init_decoder", hub_id)


def test_a_commit_is_taken_as_it_is(hub: list) -> None:
    checkpoint = open_checkpoint(f"a/b@{OLD}")
    assert (checkpoint.where, checkpoint.notes, hub) == (f"a/b@{OLD}", (), [("a/b", OLD)])
    check_pinned("init_decoder", f"a/b@{OLD}")


def test_another_commit_than_the_one_named_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(tmp_path / NEW))
    with pytest.raises(UserError, match="expected a folder of that commit"):
        download(f"a/b@{OLD}")


def test_a_folder_that_is_here_is_no_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_hub_id("a/b") and not is_hub_id("/a/b") and not is_hub_id("smollm2-135m-instruct")
    (tmp_path / "a/b").mkdir(parents=True)
    assert not is_hub_id("a/b")
    check_pinned("init_decoder", "a/b")


def test_the_hub_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(UserError, match=r"nobody/nothing: no folder of that name here, .* could not give it \(no"):
        load_decoder("nobody/nothing")
    for wrong in ("nowhere at all", "a/b@", "../b", "a/b/c", "a/b@x y"):
        with pytest.raises(UserError, match="no such folder. Give one with config.json and model.safetensors"):
            download(wrong)


@pytest.fixture
def sharded(tmp_path: Path) -> Callable[[str], Path]:
    """A folder of llama3 in one shard, which the index calls by the name given; the shard also lies outside."""

    def build(shard: str) -> Path:
        folder = Path(shutil.copytree(RECORDED / "llama3", tmp_path / "model"))
        names = list(open_checkpoint(folder).tensors)
        shutil.copy(folder / "model.safetensors", tmp_path / "outside.safetensors")
        (folder / "model.safetensors").rename(folder / "part-1.safetensors")
        index = {"weight_map": dict.fromkeys(names, shard)}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        return folder

    return build


def test_a_shard_beside_its_index_is_read(sharded: Callable[[str], Path]) -> None:
    assert load_decoder(sharded("part-1.safetensors"))[1].loaded


OUTSIDE = ["../outside.safetensors", "sub/../../outside.safetensors", "/etc/passwd", ".."]
NO_NAMES = ["", "part-1.safetensors\n", ".\\part-1.safetensors", "pytorch_model.bin"]


@pytest.mark.parametrize("shard", OUTSIDE + NO_NAMES)
def test_an_index_reaches_no_further_than_its_folder(sharded: Callable[[str], Path], shard: str) -> None:
    with pytest.raises(UserError, match="Expected the name of a .safetensors file beside it"):
        load_decoder(sharded(shard))

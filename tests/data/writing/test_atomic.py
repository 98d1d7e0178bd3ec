"""Outputs are the old or the new, whoever kills their writer and whenever; one writes at a time; a full disk is told by its number."""

import ctypes
import errno
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsfm.data.writing import swap
from rsfm.data.writing.atomic import append_text, write_error, write_json, write_text, written_folder, written_whole
from rsfm.data.writing.lock import only_writer
from rsfm.errors import UserError

OLD, NEW = {"a": "old", "b": "old", "mine": "mine"}, {"a": "new", "b": "new", "mine": "mine"}


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def fill(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


KILLED = """
import os, signal, sys
from pathlib import Path
from rsfm.data.writing.atomic import written_folder
events, last = 0, int(sys.argv[2])
def count(event, arguments):
    global events
    if event in ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "ctypes.dlsym"):
        events += 1
        if events > last:
            os.kill(os.getpid(), signal.SIGKILL)
with written_folder(sys.argv[1]) as folder:
    sys.addaudithook(count)
    for name in ("a", "b"):
        (folder / name).write_text("new")
"""


@pytest.mark.parametrize("subfolder", [False, True], ids=["exchanged", "moved one by one"])
def test_a_kill_at_any_call_leaves_the_old_or_the_new(subfolder: bool, tmp_path: Path) -> None:
    """Killed before the first call that changes the disk, before the second, ... until it is done."""
    seen = []
    for calls in range(100):
        out = fill(tmp_path / "out", OLD)
        if subfolder:
            fill(out / "sub", {"c": "mine"})
        done = subprocess.run([sys.executable, "-c", KILLED, str(out), str(calls)])
        if not subfolder:
            assert content(out) in (OLD, NEW)
        seen.append(content(out).get("a"))
        with written_folder(out):  # the next start: what is half is swept, what was complete is put in its place
            pass
        assert content(out) in (OLD, NEW) and (out / "sub" / "c").exists() == subfolder
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
    assert done.returncode == 0 and calls > 5 and set(seen) == {"old", "new"}


def test_a_new_folder_gets_its_name_when_it_is_complete(tmp_path: Path) -> None:
    with written_folder(tmp_path / "deep" / "out") as folder:
        fill(folder, NEW)
        assert not (tmp_path / "deep" / "out").exists()
    assert content(tmp_path / "deep" / "out") == NEW
    with pytest.raises(KeyError), written_folder(tmp_path / "other" / "out") as folder:
        fill(folder, NEW)
        raise KeyError
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep"]


def test_where_folders_cannot_be_exchanged_entries_are_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = fill(tmp_path / "out", OLD)
    with monkeypatch.context() as patch:
        patch.chdir(out)  # whose shell stays in it
        with written_folder(out) as folder:
            fill(folder, {"a": "new", "b": "new"})
    assert content(out) == NEW
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())  # a system without the call
    with written_folder(out) as folder:
        fill(folder, {"a": "newer"})
    assert content(out) == NEW | {"a": "newer"} and [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_process_left_complete_is_not_lost(tmp_path: Path) -> None:
    out = fill(tmp_path / "out", OLD)
    scratch = fill(swap.new_scratch(tmp_path, "out"), {"a": "new", "b": "new"})
    scratch.rename(scratch.with_suffix(".ready"))
    fill(swap.new_scratch(tmp_path, "out"), {"a": "half"})
    fill(swap.new_scratch(tmp_path, "output"), {"a": "of another"})
    with written_folder(out):
        pass
    assert content(out) == NEW and len(list(tmp_path.iterdir())) == 2


HOLDS = """
import os, sys, time
from pathlib import Path
from rsfm.data.writing.lock import only_writer
with only_writer(Path(sys.argv[1])):
    if os.fork() == 0:  # a child does not keep what its parent held
        time.sleep(60)
    print(os.getpid(), flush=True)
    time.sleep(60)
"""


def test_the_second_writer_is_refused_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(out)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert first.stdout is not None
    try:
        owner = first.stdout.readline().strip()
        with pytest.raises(UserError, match=f"out: process {owner} on .* is writing there now"), written_folder(out):
            pass
        with written_folder(tmp_path / "other"):
            pass
        first.kill()
        first.wait()
        with written_folder(out) as folder:
            fill(folder, NEW)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
    assert content(out) == NEW and not list(tmp_path.glob(".*"))


def test_two_names_of_a_folder_are_one(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with (
        written_folder(tmp_path / "out"),
        pytest.raises(UserError, match="this process is writing there now"),
        written_folder(tmp_path / "link"),
    ):
        pass


def _race(path: Path, queue: "multiprocessing.Queue[int]") -> None:
    wins = 0
    for _ in range(50):
        try:
            with only_writer(path):
                inside = path.parent / "inside"
                descriptor = os.open(inside, os.O_CREAT | os.O_EXCL)  # fails where two are in
                os.close(descriptor)
                inside.unlink()
                wins += 1
        except UserError:
            pass
    queue.put(wins)


def test_never_two_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    racers = [context.Process(target=_race, args=(tmp_path / "out", queue)) for _ in range(4)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    assert [racer.exitcode for racer in racers] == [0] * 4 and sum(queue.get() for _ in racers) > 4


def test_a_file_system_without_locks_looks_the_owner_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("rsfm.data.writing.lock.fcntl.lockf", none)
    out, place = tmp_path / "out", tmp_path / ".out.lock"
    child = subprocess.Popen([sys.executable, "-c", HOLDS, str(out)], stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdout is not None
    try:
        child.stdout.readline()
        with pytest.raises(UserError, match="is writing there now"), only_writer(out):
            pass
        record = place.read_text()
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    with only_writer(out):
        pass
    place.write_text(record.replace('"host": "', '"host": "elsewhere-'))
    with pytest.raises(UserError, match="elsewhere-"), only_writer(out):
        pass


@given(
    st.sampled_from([errno.ENOSPC, errno.EACCES, errno.EIO, errno.ENOENT]), st.sampled_from(["space", "write error"])
)
def test_a_full_disk_is_told_by_its_number_not_by_the_name_of_a_file(number: int, word: str) -> None:
    path = Path(f"/{word} of my own") / f"{word}.tif"
    full = "disk full" in str(write_error(path, OSError(number, os.strerror(number), str(path))))
    assert full == (number == errno.ENOSPC)
    assert "disk full" not in str(write_error(path, RuntimeError(f"{path}: bad header in {path.parent}")))
    assert "disk full" in str(write_error(path, ValueError(f'Error in "{path}": [OS error {errno.ENOSPC}: ENOSPC]')))
    assert "disk full" in str(write_error(path, ValueError("Failed to write 10 bytes [os_error_code='27']")))
    assert "disk full" in str(write_error(path, RuntimeError(f"{path}: TIFFAppendToStrip:Write error at scanline 3")))


def test_an_error_of_reading_elsewhere_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"), written_folder(tmp_path / "out"):
        Path("/nowhere/at/all").read_text()


def test_files(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "a.json", {"a": 1})
    append_text(tmp_path / "rows", "1\n")
    append_text(tmp_path / "rows", "2\n")
    with pytest.raises(KeyError), written_whole(tmp_path / "rows") as folder:
        (folder / "rows").write_text("half")
        raise KeyError
    assert (tmp_path / "rows").read_text() == "1\n2\n"
    with pytest.raises(UserError, match="is a folder"):
        write_text(tmp_path / "new", "")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.json", "new", "rows"]

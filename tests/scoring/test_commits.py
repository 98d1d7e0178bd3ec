"""The commit of a row, read without running what a folder's git configuration names."""

import subprocess
from pathlib import Path

from rsfm.scoring.commits import current_commit


def clone(folder: Path) -> list[str]:
    """A clone with one commit of one Python file; returns how to call git in it."""
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text("print(1)")
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *command], check=True)
    return git


def told_by_git(folder: Path) -> str:
    command = ["git", "-C", str(folder), "rev-parse", "--short=12", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_commit_is_looked_up(tmp_path: Path) -> None:
    assert current_commit(tmp_path) == "unknown"
    clone(tmp_path)
    (tmp_path / "results").mkdir()
    assert current_commit(tmp_path) == current_commit(tmp_path / "results") == told_by_git(tmp_path)
    (tmp_path / "results/a.jsonl").write_text("{}")
    assert current_commit(tmp_path) == told_by_git(tmp_path), "rows written meanwhile are no change of the code"
    (tmp_path / "train.py").write_text("print(2)")
    assert current_commit(tmp_path) == told_by_git(tmp_path) + "+"


def test_new_python_counts_as_a_change_and_what_is_ignored_does_not(tmp_path: Path) -> None:
    clone(tmp_path)
    (tmp_path / ".gitignore").write_text("own.py\n")
    (tmp_path / "own.py").write_text("")
    assert current_commit(tmp_path) == told_by_git(tmp_path)
    (tmp_path / "more.py").write_text("")
    assert current_commit(tmp_path) == told_by_git(tmp_path) + "+"


def test_packed_names_detached_heads_and_work_trees(tmp_path: Path) -> None:
    git = clone(tmp_path / "a")
    subprocess.run([*git, "pack-refs", "--all"], check=True)
    assert current_commit(tmp_path / "a") == told_by_git(tmp_path / "a")
    subprocess.run([*git, "worktree", "add", "-q", "-b", "other", str(tmp_path / "b")], check=True)
    assert current_commit(tmp_path / "b") == told_by_git(tmp_path / "b")
    subprocess.run([*git, "checkout", "-q", "--detach"], check=True)
    assert current_commit(tmp_path / "a") == told_by_git(tmp_path / "a")


def test_a_hostile_configuration_runs_nothing(tmp_path: Path) -> None:
    git = clone(tmp_path / "given")
    victim = tmp_path / "ran"
    for name in ("core.fsmonitor", "filter.x.clean", "filter.x.process", "diff.external", "core.sshCommand"):
        subprocess.run([*git, "config", name, f"touch {victim}"], check=True)
    (tmp_path / "given/.gitattributes").write_text("*.py filter=x diff=x\n")
    hook = tmp_path / "given/.git/hooks/post-index-change"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {victim}\n")
    hook.chmod(0o755)
    (tmp_path / "given/train.py").write_text("print(2)")
    before = sorted((p, p.read_bytes()) for p in (tmp_path / "given").rglob("*") if p.is_file())
    assert current_commit(tmp_path / "given").endswith("+")
    assert not victim.exists()
    assert sorted((p, p.read_bytes()) for p in (tmp_path / "given").rglob("*") if p.is_file()) == before


def test_what_is_no_commit_is_unknown(tmp_path: Path) -> None:
    clone(tmp_path)
    for head in ("", "ref: ../../../etc/passwd", "ref: refs/heads/none", "x" * 40, "\0"):
        (tmp_path / ".git/HEAD").write_text(head)
        assert current_commit(tmp_path) == "unknown"

"""The commit a folder lies in, read without running anything that the folder's own git configuration names.

`git status` in a folder runs its core.fsmonitor and its filters: a folder of somebody else's must not choose commands.
"""

import os
import subprocess
import tempfile
from pathlib import Path

_SYMBOLIC = "ref: "
_HEXADECIMAL = frozenset("0123456789abcdef")


def current_commit(folder: Path) -> str:
    """The commit where `folder` lies, with "+" if any Python there differs; "unknown" outside a clone."""
    try:
        root, own = _clone(folder.absolute())
        common = own / _text(own / "commondir") if (own / "commondir").is_file() else own
        commit = _head(own, common)
        if len(commit) < 40 or not set(commit) <= _HEXADECIMAL:
            return "unknown"
        return commit[:12] + ("+" if _changed(root, own, common, commit) else "")
    except (OSError, ValueError, subprocess.SubprocessError):
        return "unknown"


def _clone(folder: Path) -> tuple[Path, Path]:
    """The top folder of a clone and where git keeps its state, which a work tree beside it names in a file."""
    for root in (folder, *folder.parents):
        if (root / ".git").is_dir():
            return root, root / ".git"
        if (root / ".git").is_file():
            return root, root / _text(root / ".git").removeprefix("gitdir: ")
    raise FileNotFoundError(folder)


def _head(own: Path, common: Path) -> str:
    head = _text(own / "HEAD")
    if not head.startswith(_SYMBOLIC):
        return head
    name = head.removeprefix(_SYMBOLIC)
    for place in (own, common):
        if ".." not in Path(name).parts and (place / name).is_file():
            return _text(place / name)
    packed = (common / "packed-refs").read_text(encoding="utf-8").splitlines()
    return next(line.split()[0] for line in packed if line.endswith(f" {name}"))


def _changed(root: Path, own: Path, common: Path, commit: str) -> bool:
    """Whether a Python file differs, told by git from the clone's index and objects, but with an empty configuration."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "refs").mkdir()
        (Path(place) / "objects").mkdir()
        (Path(place) / "HEAD").write_text(commit + "\n", encoding="utf-8")
        state = {"GIT_DIR": place, "GIT_WORK_TREE": str(root), "GIT_INDEX_FILE": str(own / "index")}
        state |= {"GIT_OBJECT_DIRECTORY": str(common / "objects"), "GIT_OPTIONAL_LOCKS": "0"}
        state |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_COUNT": "0"}
        plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        command = ["git", "status", "--porcelain", "--ignore-submodules=all", "--", ":(top)*.py"]
        done = subprocess.run(
            command, cwd=root, env=plain | state, capture_output=True, text=True, check=True, timeout=60
        )
    return bool(done.stdout.strip())


def _text(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.read(4096).strip()

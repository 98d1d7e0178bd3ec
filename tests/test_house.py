"""House rules that no other tool checks: names, what may be read, what may be written down, what the wheel carries."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("rsfm", "experiments", "tokenizers", "tests", "notebooks", "tpu")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
TEXTS = SOURCES + sorted(
    path
    for pattern in ("*.md", "*.toml", "*.txt", "Makefile", ".ci/*", "tpu/*", *(f"{room}/**/*.md" for room in ROOMS))
    for path in ROOT.glob(pattern)
    if path.is_file() and path.suffix != ".py"
)


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_root_does_not_shadow_the_tokenizers_library() -> None:
    assert not (ROOT / "tokenizers" / "__init__.py").exists(), "it would shadow Hugging Face's tokenizers from the root"
    command = [sys.executable, "-c", "import tokenizers; print(tokenizers.__file__)"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    assert "site-packages" in found


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_names_say_what_a_file_is_for(path: Path) -> None:
    assert path.stem not in {"utils", "util", "helpers", "misc", "common"}
    if path.stem != "__init__":
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), "open with what it is for"


@pytest.mark.parametrize("path", [p for p in SOURCES if p.is_relative_to(ROOT / "rsfm")], ids=short)
def test_nothing_is_unpickled(path: Path) -> None:
    """A checkpoint or data set from outside is never code."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & {"pickle", "cloudpickle", "dill", "joblib"}
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in {"pickle", "cloudpickle", "dill", "joblib"}
            assert node.module != "__future__", "jaxtyping's checks need real annotations"
        elif isinstance(node, ast.Call):
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            pickles = given.get("allow_pickle")
            assert pickles is None or (isinstance(pickles, ast.Constant) and pickles.value is False)
            if ast.unparse(node.func) in {"np.load", "numpy.load"}:
                assert pickles is not None, "np.load(..., allow_pickle=False)"
            if ast.unparse(node.func) == "torch.load":
                safe = given.get("weights_only")
                assert isinstance(safe, ast.Constant) and safe.value is True


@pytest.mark.parametrize("path", TEXTS, ids=short)
def test_nothing_of_one_machine_is_written_down(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"(?<![A-Za-z0-9_.])/(?:work|root|home|tmp)/[A-Za-z]", text), "a path of one machine"
    assert not re.search(r"pythonhosted\.|pypi\.org/" + "simple", text), "the address of a package registry"


def test_constraints_cover_every_direct_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]
    names = {re.split(r"[\[<>=; ]", line)[0].lower().replace("_", "-") for line in wanted} - {"rsfm"}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    assert names <= pinned, f"run `make constraints`: {sorted(names - pinned)} not pinned"
    assert not [line for line in wanted if "<" in line or "==" in line], "floors only: caps belong into constraints.txt"


def test_every_pinned_package_has_hashes() -> None:
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    entries = re.split(r"\n(?=\S)", (ROOT / "hashes/packages.txt").read_text(encoding="utf-8").strip())
    hashed = {entry.split(" \\\n")[0]: re.findall(r"--hash=sha256:[0-9a-f]{64}\b", entry) for entry in entries}
    missing = [line for line in pinned if not hashed.get(line)]
    assert not missing, f"run `make hashes`: {missing} lack one"


def test_the_readers_page_names_files_and_tables_that_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for path in re.findall(r"`((?:rsfm|tests|experiments)/[\w/.]+)`", text):
        assert (ROOT / path).exists(), path
    rows = re.findall(r"^\| [^|]+ \| `(rsfm/[\w/]+)/<name>\.py`[^|]* \| `([A-Z]+)` \|$", text, flags=re.MULTILINE)
    assert len(rows) >= 7
    for room, table in rows:
        assert table in (ROOT / room / "__init__.py").read_text(encoding="utf-8"), f"{table} in {room}"

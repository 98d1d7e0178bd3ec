"""What a head makes is the matter of its own room: the model, the step, objectives, processor and answers name no kind of it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from rsfm.heads import HEADS

ROOT = Path(__file__).resolve().parents[1] / "rsfm"
BLIND = (
    ROOT / "models/foundation.py",
    ROOT / "training/step.py",
    *sorted(path for room in ("objectives", "processor", "answer") for path in (ROOT / room).rglob("*.py")),
)
# What is read from the joined output of one kind, by the questions that are about it, may name that kind.
READERS = {
    "answer/boxes.py",
    "answer/land_cover.py",
    "answer/map_calibration.py",
    "answer/maps.py",
    "answer/readings.py",
    "answer/retrieval.py",
}
PICTURE = "<image>"  # in a question it stands for the next picture, whatever head may be opened by it in an answer
TOKENS = {kind.token for kind in HEADS.values() if kind.token} - {PICTURE}
CLASSES = {kind.__name__ for kind in HEADS.values()}
CONSTANTS = {token.strip("<>").upper() for token in TOKENS}  # MASK and VALUE of rsfm.tasks.dialogue


def docstrings(tree: ast.AST) -> set[int]:
    """The lines of the tree's docstrings by the identity of their nodes."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def named(source: str) -> Iterator[str]:
    """Every place where a module names a kind of head, a head's token or class, or looks something up by a kind."""
    tree = ast.parse(source)
    said = docstrings(tree)
    for node in ast.walk(tree):
        where = f"line {getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield from (f"{where}: {token}" for token in TOKENS if token in node.value)
        elif isinstance(node, ast.Name) and node.id in CLASSES | CONSTANTS:
            yield f"{where}: {node.id}"
        elif isinstance(node, ast.ImportFrom):
            if any(
                node.module == f"rsfm.heads.{kind}" or (node.module or "").startswith(f"rsfm.heads.{kind}.")
                for kind in HEADS
            ):
                yield f"{where}: {node.module}"
        looked_up = _keys(node)
        yield from (f"{where}: by the key '{key}'" for key in looked_up & set(HEADS))


def _keys(node: ast.AST) -> set[str]:
    """String keys by which a node reads from a mapping, or that a `heads` argument gives."""
    found: list[ast.AST | None] = []
    if isinstance(node, ast.Subscript):
        found = [node.slice]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "pop"):
        found = [*node.args[:1]]
    elif isinstance(node, ast.keyword) and node.arg == "heads" and isinstance(node.value, ast.Dict):
        found = [*node.value.keys]
    return {key.value for key in found if isinstance(key, ast.Constant) and isinstance(key.value, str)}


@pytest.mark.parametrize("path", BLIND, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_kind_is_named_outside_its_room(path: Path) -> None:
    if str(path.relative_to(ROOT)) not in READERS:
        places = list(named(path.read_text(encoding="utf-8")))
        assert not places, f"{path.name}: iterate over HEADS, or give the head a member for it: {places}"


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ('logits = outputs["mask"]["logits"]', "line 1: by the key 'mask'"),
        ("from rsfm.heads import MaskHead\n\ntoken = MaskHead.token", "line 3: MaskHead"),
        ("from rsfm.heads.value import distribution", "line 1: rsfm.heads.value"),
        ('pieces = text.split("<mask>")', "line 1: <mask>"),
        ('config = ProcessorConfig(streams={}, heads={"mask": HeadSlots(slots=64)})', "line 1: by the key 'mask'"),
        ('re.split(f"{VALUE}|{MASK}", piece)', "line 1: MASK"),
    ],
)
def test_what_names_a_kind_is_seen(source: str, place: str) -> None:
    assert place in list(named(source))


def test_what_names_none_is_let_through() -> None:
    fine = '"""Each "<mask>" is read."""\nfor name, kind in HEADS.items():\n    kind.join(outputs[name], "image")\n'
    assert not list(named(fine))

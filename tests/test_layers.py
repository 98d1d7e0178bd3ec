"""Imports point down: the rooms of rsfm in the order of the house, held by reading the syntax tree of every module."""

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = (  # a room may import from the lines above its own; from its own line only where BESIDE says so
    ("types", "pytree", "config", "errors", "finite", "interrupts"),
    ("sensors", "nn", "metrics", "quantities", "boxes"),
    ("data",),
    ("tokenizers", "text", "heads", "objectives"),
    ("models", "tasks"),
    ("processor",),
    ("training", "answer", "scoring"),
    ("pretrained", "commands", "cli"),
    ("",),  # rsfm/__init__.py, the public names
)
BESIDE = {0, 6, 7}
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "rsfm").rglob("*.py"))
}


def imports(module: str) -> set[str]:
    """The modules of rsfm that `module` imports, wherever in the file the import stands."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: import by full name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    named = {name if name in MODULES else name.rpartition(".")[0] for name in found if name.split(".")[0] == "rsfm"}
    return named - {module}


def room(module: str) -> str:
    return (module.split(".") + [""])[1]


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    assert room(module) in RANK, f"{module} stands in no layer: name its room in LAYERS"
    here = RANK[room(module)]
    for target in imports(module):
        there = RANK[room(target)]
        fine = room(target) == room(module) or there < here or (there == here and here in BESIDE)
        assert fine, f"{module} imports {target}: imports point down (DESIGN's order is LAYERS in this file)"


def test_no_import_cycle() -> None:
    graphlib.TopologicalSorter({module: imports(module) for module in MODULES}).prepare()


@pytest.mark.parametrize("module", [m for m in MODULES if room(m) == "data"])
def test_data_stays_on_the_host(module: str) -> None:
    """The data room reads files with numpy: it knows sensors and types, never layers."""
    assert {room(target) for target in imports(module)} <= {
        "data",
        "sensors",
        "errors",
        "types",
        "pytree",
        "config",
        "boxes",
    }

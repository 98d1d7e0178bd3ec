"""The command lines that are printed in texts, and what the real parsers make of them.  Tests alone use it."""

import ast
import importlib
import inspect
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rsfm import cli

ROOT = Path(__file__).resolve().parents[1]
TABLES = {"rsfm": cli.COMMANDS, "rsfm data": cli.DATA_COMMANDS, "rsfm benchmark": cli.BENCHMARK_COMMANDS}
STARTS = re.compile(
    r"^(?:\$ )?(?:\.venv/bin/)?(?:rsfm|make|python -m (?:experiments|rsfm)\S*|python (?:experiments|tokenizers)/\S+)(?: |$)"
)
# Words of templates and what stands for them.
STANDINS = {
    "CONFIG": "debug",
    "FOLDER": "runs/x",
    "CHECKPOINT": "nano",
    "NAME": "aid_rsicd",
    "SPLIT": "val",
    "RUN": "runs/x",
}


def split_words(line: str) -> list[str]:
    """A printed line as the shell splits it: without its comment, optional parts taken in, placeholders filled."""
    line = re.split(r"\s{2,}[#(]", line.removeprefix("$ ").strip())[0]
    if re.search(r"\b(?:CONFIG|FOLDER|NAME|CHECKPOINT|RUN)\b", line):
        line = re.sub(r"[\[\]]|\.\.\.", " ", line)
    return [STANDINS.get(word, word) for word in shlex.split(line)]


def in_markdown(path: Path) -> Iterator[str]:
    """Lines of fenced blocks, and code spans, that are commands with something to call."""
    fenced = False
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced and STARTS.match(line):
            yield line
        elif not fenced:
            yield from (span for span in re.findall(r"`([^`]+)`", line) if STARTS.match(span) and whole(span))


def whole(span: str) -> bool:
    """Whether a code span in a sentence is a command to type, not the mention of one or of its option."""
    words = span.split()
    return len(words) > (2 if words[0] == "rsfm" else 1) and not words[-1].startswith("--")


def in_docstring(text: str) -> Iterator[str]:
    """Lines that are commands, those that a backslash goes on from put together."""
    joined = re.sub(r"\\\n\s*", "", text)
    for line in joined.splitlines():
        found = re.search(r"(?:^|\s{2,}|: )((?:rsfm [a-z]+|python -m experiments|python experiments/)\s?.*)$", line)
        if found and STARTS.match(found[1].strip()):
            yield found[1].strip()


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every command with the function behind it."""
    for program, table in TABLES.items():
        for name, (module, function, _) in table.items():
            if function:
                yield f"{program} {name}", getattr(importlib.import_module(module), function)


def printed() -> list[tuple[str, str]]:
    """(where, line) of every printed command line, each line once."""
    found: dict[str, str] = {}
    for name in ("README.md", "experiments/README.md", "CONTRIBUTING.md"):
        for line in in_markdown(ROOT / name):
            found.setdefault(line, name)
    for program, function in functions():
        for line in in_docstring(inspect.getdoc(function) or ""):
            found.setdefault(line, f"{program} --help")
    for program, table in TABLES.items():
        for line in re.findall(r"^Example: (.*)$", cli._overview(table, program), flags=re.MULTILINE):
            found.setdefault(line, f"{program} --help")
    for path in sorted((ROOT / "experiments").rglob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        for line in in_docstring(text):
            found.setdefault(line, str(path.relative_to(ROOT)))
    return [(where, line) for line, where in found.items()]


def command_of(words: list[str]) -> tuple[str, list[str]]:
    """["rsfm", "data", "list", "dota"] -> ("rsfm data list", ["dota"])."""
    program = "rsfm"
    name, rest = words[1], words[2:]
    if f"rsfm {name}" in TABLES and rest and (name == "data" or rest[0] in TABLES[f"rsfm {name}"]):
        program, name, rest = f"rsfm {name}", rest[0], rest[1:]
    assert name in TABLES[program], f"no command {program} {name}"
    return f"{program} {name}", rest


def read_arguments(function: Callable[..., Any], words: list[str]) -> dict[str, Any]:
    """What the command line's own parser makes of the words; an AssertionError where it refuses them."""
    seen: dict[str, Any] = {}
    signature = inspect.signature(function)
    positional = [name for name, each in signature.parameters.items() if each.kind is not each.KEYWORD_ONLY]

    def catching(*args: Any, **options: Any) -> int:
        seen.update(dict(zip(positional, args, strict=False)), **options)
        return 0

    catching.__signature__ = signature  # type: ignore[attr-defined]
    catching.__annotations__, catching.__doc__ = inspect.get_annotations(inspect.unwrap(function)), function.__doc__
    assert cli.call(catching, "rsfm", words) == 0, f"the parser refuses {shlex.join(words)}"
    return seen

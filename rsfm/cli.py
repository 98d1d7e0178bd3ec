"""The command `rsfm`: a table of commands, each a typed function that tyro turns into options and `--help`."""

import importlib
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from rsfm.errors import UserError, lookup, one_line, out_of_memory
from rsfm.interrupts import interruptible

# name -> (module, function, line of the overview). A module is imported when its command runs: jax takes seconds.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": ("rsfm.commands.demo", "demo", "ask a real Sentinel-1 and Sentinel-2 patch several questions"),
    "predict": ("rsfm.commands.predict", "predict", "ask questions of your own scenes: text, numbers, maps"),
    "chat": ("rsfm.commands.chat", "chat", "talk about a scene in the terminal, turn by turn"),
    "embed": ("rsfm.commands.embed", "embed", "the encoder's features of scenes: a map or a table of vectors"),
    "train": ("rsfm.commands.train", "train", "train a model from a config file, or resume it"),
    "sweep": ("rsfm.commands.sweep", "sweep", "train a config with several values and seeds, as one table"),
    "pretrain": ("rsfm.commands.pretrain", "pretrain", "train an encoder on a folder of unlabelled images"),
    "finetune": ("rsfm.commands.finetune", "finetune", "train a checkpoint further on a data set"),
    "evaluate": ("rsfm.commands.evaluate", "evaluate", "score a checkpoint on a data set's split"),
    "score": ("rsfm.commands.score", "score", "score anybody's file of answers, captions, boxes or counts"),
    "locate": ("rsfm.commands.locate", "locate", "guess where on Earth pictures were taken (GeoCLIP)"),
    "info": ("rsfm.commands.info", "info", "parameters and FLOPs of the sizes or of a checkpoint"),
    "data": ("rsfm.commands.data", "", "list, show or prepare data sets"),
    "doctor": ("rsfm.commands.doctor", "doctor", "versions, devices, memory, data and checkpoint of this machine"),
    "benchmark": ("rsfm.commands.benchmark", "benchmark", "speed of the model beside what the machine can do"),
    "results": ("rsfm.commands.results", "results", "print the measured results as tables"),
}
DATA_COMMANDS: dict[str, tuple[str, str, str]] = {
    "list": ("rsfm.commands.data", "list_datasets", "what is known, where to get it, and whether it is here"),
    "show": ("rsfm.commands.data", "show", "one sample with its labels"),
    "instruct": ("rsfm.commands.instruct", "instruct", "questions and answers made of a data set's labels"),
    "prepare": ("rsfm.commands.data", "prepare", "copy a data set into shuffled ArrayRecord files"),
}
BENCHMARK_COMMANDS: dict[str, tuple[str, str, str]] = {
    "decode": ("rsfm.commands.benchmark_decode", "benchmark_decode", "a language model beside transformers and memory"),
}
DONE, FAULT, USAGE, STOPPED = 0, 1, 2, 130  # exit codes: a fault of ours; something to mend; interrupted
DEBUG = "--debug"  # of every command: the trace before the one line


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: words after `rsfm`; None reads the process's own.

    Returns:
        The exit code: 0 done, 1 a fault of rsfm's own, 2 something the user can mend, 130 interrupted; all but the first
        with one line on stderr.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    debug = DEBUG in words
    with interruptible():
        return exit_code(lambda: _dispatch([word for word in words if word != DEBUG], COMMANDS, "rsfm"), debug=debug)


def exit_code(command: Callable[[], int], *, debug: bool = False) -> int:
    """The exit code of a command. Whatever goes wrong in it is one line on stderr, after the trace if `debug`."""
    try:
        code = command()
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of our output left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt as error:
        return _failed(error, "interrupted", STOPPED, debug)
    except Exception as error:  # the last net: nothing a command raises reaches the user as a trace
        if _interrupted(error):
            return _failed(error, "interrupted", STOPPED, debug)
        mendable = isinstance(error, (UserError, OSError)) or out_of_memory(error)
        return _failed(error, one_line(error), USAGE if mendable else FAULT, debug)


def _interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an error: a library that it interrupts in its import raises an error of its own."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def _failed(error: BaseException, line: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    print(f"rsfm: {line}", file=sys.stderr)
    return code


def _dispatch(words: list[str], table: dict[str, tuple[str, str, str]], program: str) -> int:
    if not words or words[0] in ("-h", "--help"):
        print(_overview(table, program))
        return 0 if words else USAGE
    if words[0] == "--version" and program == "rsfm":
        from rsfm.commands.doctor import own_version

        print(own_version())
        return 0
    name, rest = words[0], words[1:]
    module, function, _ = lookup(table, "command", name)
    if name == "data" and program == "rsfm":
        return _dispatch(rest, DATA_COMMANDS, "rsfm data")
    if name == "benchmark" and program == "rsfm" and rest and rest[0] in BENCHMARK_COMMANDS:
        return _dispatch(rest, BENCHMARK_COMMANDS, "rsfm benchmark")
    return call(getattr(importlib.import_module(module), function), f"{program} {name}", rest)


def call(function: Callable[..., Any], program: str, words: Sequence[str]) -> int:
    """Parses `words` by the function's signature and runs it; what it returns is the exit code, None is 0.

    A function with a parameter `overrides` gets the words that are not its own options, e.g. `--model.depth 6`.
    """
    import tyro

    options: dict[str, Any] = {
        "prog": program,
        "description": description(function),
        "config": (tyro.conf.FlagCreatePairsOff, tyro.conf.PositionalMetavarFromFieldName),
    }
    try:
        if "overrides" in inspect.signature(function).parameters:
            call_it, unknown = tyro.cli(_without_overrides(function), args=words, return_unknown_args=True, **options)
            return int(call_it(tuple(unknown)) or 0)
        return int(tyro.cli(function, args=words, **options) or 0)
    except SystemExit as stop:  # of tyro: --help or a word it does not know
        return int(stop.code or 0) if isinstance(stop.code, (int, type(None))) else USAGE


def description(function: Callable[..., Any]) -> str:
    """The docstring without its Args, which tyro prints beside the options."""
    text = inspect.getdoc(function) or ""
    return re.sub(r"^(Args|Returns):\n(?: +.*\n|\n)*", "", text + "\n", flags=re.MULTILINE).strip()


def _without_overrides(function: Callable[..., Any]) -> Callable[..., Callable[[tuple[str, ...]], Any]]:
    """The function as tyro is to see it: calling it gives what waits for the words left over."""
    signature = inspect.signature(function)
    shown = [parameter for name, parameter in signature.parameters.items() if name != "overrides"]

    def waiting(*args: Any, **kwargs: Any) -> Callable[[tuple[str, ...]], Any]:
        return lambda overrides: function(*args, overrides=overrides, **kwargs)

    waiting.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
    waiting.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    waiting.__doc__ = function.__doc__
    waiting.__dict__.pop("__wrapped__", None)  # of shape checks under pytest: tyro would look behind it
    return waiting


def _overview(table: dict[str, tuple[str, str, str]], program: str) -> str:
    width = max(map(len, table))
    lines = [f"usage: {program} COMMAND [OPTIONS]", ""]
    if program == "rsfm":
        lines += ["One model for any Earth-observation sensor: ask a scene in words, get text, numbers and maps.", ""]
    lines += [f"  {name:<{width}}  {summary}" for name, (_, _, summary) in table.items()]
    example = 'rsfm predict scene.tif --ask "Map the land cover: water, trees, crops." --out answer'
    lines += ["", f"Example: {example if program == 'rsfm' else 'rsfm data show aid_rsicd --split val'}"]
    lines.append(f"Options of a command: {program} COMMAND --help; of all: {DEBUG} prints the trace of an error")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

"""The words that call a command again with the arguments it was called with, for cards and result rows."""

import inspect
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def command_line(
    program: str, function: Callable[..., Any], arguments: Mapping[str, Any], *, without: Iterable[str] = ()
) -> str:
    """A line for the shell: positional arguments, then every option that differs from its default, then overrides.

    Args:
        program: e.g. "rsfm finetune".
        function: of the command; its signature says what is positional and what the defaults are.
        arguments: what it was called with, by name; names it does not have are not looked at.
        without: options that say how this one run went, such as "resume".

    >>> command_line("rsfm data list", list_datasets, {"names": ("dota",), "as_json": True}, without=("as_json",))
    'rsfm data list dota'
    """
    words = program.split()
    for name, parameter in inspect.signature(function).parameters.items():
        value = arguments.get(name, parameter.default)
        if name in without or name == "overrides" or value == parameter.default:
            continue
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            words += [str(part) for part in (value if isinstance(value, tuple) else (value,))]
        elif value is True:
            words.append(_option(name))
        else:
            words += [_option(name), *(str(part) for part in (value if isinstance(value, tuple) else (value,)))]
    return shlex.join([*words, *arguments.get("overrides", ())])


def _option(name: str) -> str:
    return "--" + name.rstrip("_").replace("_", "-")  # "from_" stands for a word that Python keeps to itself

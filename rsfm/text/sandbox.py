"""A process of its own that renders chat templates: a template of somebody else's may loop, recurse and grow there.

It is started by rsfm.text.templates as a script, imports nothing of rsfm, and answers a line of JSON with a line of JSON.
"""

import json
import re
import resource
import sys
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

MEMORY_BYTES = 1 << 30
MAX_CHARACTERS = 4_000_000  # of a rendered text
TRAINING_TAGS = re.compile(r"(?<=\{%)(-?\s*)(end)?generation(?=\s*-?%\})")  # tell a trainer what to learn


def main() -> None:
    """Renders until the input ends."""
    limited = min(MEMORY_BYTES, _hard_limit())
    resource.setrlimit(resource.RLIMIT_AS, (limited, limited))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    compiled: dict[str, jinja2.Template] = {}
    for line in sys.stdin:
        try:
            answer = _answer(json.loads(line), compiled)
        except (RecursionError, MemoryError):
            compiled.clear()
            answer = {"error": "it is endless or needs more memory than any chat"}
        except Exception as error:  # whatever a template stumbles over: division by zero, a wrong type, a missing name
            answer = {"error": f"{error or type(error).__name__}"[:300]}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _answer(asked: dict[str, Any], compiled: dict[str, jinja2.Template]) -> dict[str, Any]:
    template = asked["template"]
    if template not in compiled:
        try:
            compiled[template] = _environment().from_string(_plain(template))
        except jinja2.TemplateError as error:
            return {"invalid": str(error)[:300]}
    text = compiled[template].render(**asked["values"])
    if len(text) > MAX_CHARACTERS:
        raise MemoryError
    return {"text": text}


def _environment() -> ImmutableSandboxedEnvironment:
    # Block trimming as Hugging Face renders them. No clock is handed in: the same messages give the same text any day.
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    return environment


def _plain(template: str) -> str:
    return TRAINING_TAGS.sub(lambda tag: tag[1] + ("endif" if tag[2] else "if true"), template)


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)


def _hard_limit() -> int:
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


if __name__ == "__main__":
    main()

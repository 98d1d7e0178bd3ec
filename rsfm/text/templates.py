"""Chat templates rendered in a process of its own, with a limit of time and of memory."""

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rsfm.errors import UserError

SECONDS = 10.0  # for one rendering, which takes a thousandth of one; the first also starts Python


class _Process:
    """The process that renders; started when first needed, and again after a template that did not end."""

    def __init__(self) -> None:
        self._lock, self._owner = threading.Lock(), 0
        self._running: subprocess.Popen[bytes] | None = None

    def ask(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """One line there, one line back.

        Raises:
            TimeoutError: none within the time.
            EOFError: the process died over it.
        """
        with self._lock:
            running = self._started()
            try:
                return self._exchange(running, json.dumps(asked).encode() + b"\n")
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """Ends the process, if it is this process's own."""
        if self._running is not None and self._owner == os.getpid():
            self._running.kill()
            self._running.communicate()
        self._running = None

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._running is None or self._owner != os.getpid() or self._running.poll() is not None:
            script = Path(__file__).with_name("sandbox.py")
            # -P: the folder of the script, whose files are named chat.py and so on, is no place to import from.
            command, pipe = [sys.executable, "-P", str(script)], subprocess.PIPE
            self._running = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
            self._owner = os.getpid()
        return self._running

    def _exchange(self, running: "subprocess.Popen[bytes]", line: bytes) -> dict[str, Any]:
        assert running.stdin is not None and running.stdout is not None
        timer = threading.Timer(SECONDS, running.kill)
        timer.start()
        try:
            running.stdin.write(line)
            running.stdin.flush()
            answer = running.stdout.readline()
        except BrokenPipeError:
            answer = b""
        finally:
            late = not timer.is_alive()
            timer.cancel()
        if not answer.endswith(b"\n"):
            raise TimeoutError if late else EOFError
        return json.loads(answer)


_PROCESS = _Process()
atexit.register(_PROCESS.stop)


def rendered(template: str, values: Mapping[str, Any]) -> str:
    """The text a template makes of values.

    Raises:
        UserError: it is no template, refuses the values, does not end, or grows without bound.
    """
    try:
        answer = _PROCESS.ask({"template": template, "values": dict(values)})
    except TimeoutError:
        answer = {"error": f"it does not end within {SECONDS:.0f} seconds"}
    except EOFError:
        answer = {"error": "it ended the process that renders it"}
    if "invalid" in answer:
        raise UserError(f"The tokenizer's chat template is not valid Jinja: {_line(answer['invalid'])}.")
    if "error" in answer:
        raise UserError(f"The tokenizer's chat template refuses these messages: {_line(answer['error'])}.")
    return str(answer["text"])


def _line(text: str) -> str:
    return " ".join(text.split())

"""Ctrl-C in a command reaches Python's own code, whenever it comes: two places would crash on it or drop it."""

import _thread
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from importlib.machinery import ExtensionFileLoader
from types import FrameType

AGAIN_S = 0.1
DEFAULT = signal.default_int_handler


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Within it, KeyboardInterrupt is raised neither in a compiled library's start nor in a callback of one.

    JAX's libraries end with a segmentation fault in the first case (jaxlib 0.10.2); Python prints and forgets what a callback
    raises. The signal comes again a moment later in both. A handler that somebody else has set stays.
    """
    hook, sys.unraisablehook = sys.unraisablehook, _report
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is DEFAULT
    if ours:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        if ours and signal.getsignal(signal.SIGINT) is _interrupt:
            signal.signal(signal.SIGINT, DEFAULT)


def _interrupt(_: int, frame: FrameType | None) -> None:
    if _starts_library(frame):
        _later()
    else:
        raise KeyboardInterrupt


def _report(dropped: "sys.UnraisableHookArgs") -> None:
    if isinstance(dropped.exc_value, KeyboardInterrupt):
        _later()
    else:
        sys.__unraisablehook__(dropped)


def _starts_library(frame: FrameType | None) -> bool:
    """Whether a compiled module is being imported."""
    while frame is not None:
        if isinstance(frame.f_locals.get("self"), ExtensionFileLoader):
            return True
        frame = frame.f_back
    return False


def _later() -> None:
    again = threading.Timer(AGAIN_S, _thread.interrupt_main)
    again.daemon = True
    again.start()

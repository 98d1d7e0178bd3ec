"""Processes that watch each other: a farewell is heard whatever lies unread, a death is noticed."""

import socket
import threading
import time

import pytest

from rsfm.training import watch
from rsfm.training.watch import Watch


@pytest.fixture
def reasons(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    given_up: list[str] = []
    monkeypatch.setattr(watch, "give_up", given_up.append)
    return given_up


def over(number: int, connection: socket.socket) -> Watch:
    """A watch of one other process over a connection that stands; its thread is not started yet."""
    made = Watch.__new__(Watch)
    made._process, made._processes, made._patience = 1 - number, 2, 3.0
    made._closing, made._peers = threading.Event(), {number: connection}
    made._thread = threading.Thread(target=made._run, daemon=True)
    return made


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_a_farewell_is_heard_whatever_the_other_left_unread(kind: str, reasons: list[str]) -> None:
    if kind == "unix":
        here, there = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as server:
            here = socket.create_connection(server.getsockname())
            there, _ = server.accept()
    stays, leaves = over(1, here), over(0, there)
    stays._thread.start()
    time.sleep(2.2)  # two beats lie unread at the one that leaves
    leaves._thread = threading.Thread(target=lambda: None)
    leaves._thread.start()
    leaves.close()
    stays._thread.join(5)
    assert not reasons and not stays._peers and not stays._thread.is_alive()


def test_an_end_without_farewell_is_a_death(reasons: list[str]) -> None:
    here, there = socket.socketpair()
    stays = over(1, here)
    stays._thread.start()
    there.close()
    stays._thread.join(5)
    assert reasons == ["process 1 of 2 died"]


def test_both_may_leave_at_once(reasons: list[str]) -> None:
    here, there = socket.socketpair()
    both = over(1, here), over(0, there)
    for each in both:
        each._thread.start()
    closing = [threading.Thread(target=each.close) for each in both]
    begun = time.monotonic()
    for each in closing:
        each.start()
    for each in closing:
        each.join(10)
    assert not reasons and time.monotonic() - begun < 5

"""Several processes watch each other: where one dies or stands still, the others end with one line instead of waiting.

Each holds a connection to the first, over which both send a byte a second. An end of the connection without a farewell is
a process that died; a silence of HEARTBEAT seconds is one that stands still. The first ends then, and with it the rest.
"""

import contextlib
import os
import select
import socket
import sys
import threading
import time

import numpy as np
from jax.experimental import multihost_utils

HEARTBEAT = 30.0  # seconds of silence, if RSFM_HEARTBEAT says no other; a process stopped for longer is given up
LOST = 75  # exit code: EX_TEMPFAIL of sysexits.h, to be tried again
_BEAT, _FAREWELL = b".", b"!"
_FAREWELL_SECONDS = 5.0  # for the other to hang up


class Watch:
    """Watches the other processes from a thread of its own until `close`.

    Args:
        process: number of this one.
        processes: of all.
        host: where the first can be reached.
        patience: seconds of silence after which a process is given up.
    """

    def __init__(self, process: int, processes: int, host: str, *, patience: float) -> None:
        self._process, self._processes, self._patience = process, processes, patience
        self._closing = threading.Event()
        listener = socket.create_server((_address(host), 0), backlog=processes) if process == 0 else None
        port = listener.getsockname()[1] if listener else 0
        port = int(multihost_utils.broadcast_one_to_all(np.int32(port)))
        self._peers: dict[int, socket.socket] = {}
        if listener is None:
            peer = socket.create_connection((host, port), timeout=patience)
            peer.sendall(process.to_bytes(4, "big"))
            self._peers[0] = peer
        else:
            with listener:
                listener.settimeout(patience)
                for _ in range(processes - 1):
                    peer, _ = listener.accept()
                    peer.settimeout(patience)
                    self._peers[int.from_bytes(peer.recv(4, socket.MSG_WAITALL), "big")] = peer
        self._thread = threading.Thread(target=self._run, name="rsfm-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Says farewell: this process ends as it should.

        A connection that is closed with bytes unread is broken off, and the farewell with it: the other has to hang up first.
        """
        self._closing.set()
        self._thread.join()
        for peer in self._peers.values():
            with contextlib.suppress(OSError), peer:
                peer.settimeout(min(_FAREWELL_SECONDS, self._patience))
                peer.sendall(_FAREWELL)
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(4096):
                    pass

    def _run(self) -> None:
        heard = dict.fromkeys(self._peers, time.monotonic())
        while self._peers and not self._closing.is_set():
            before = time.monotonic()
            readable, _, _ = select.select(list(self._peers.values()), [], [], min(1.0, self._patience / 4))
            if time.monotonic() - before > self._patience / 2:  # it was this process that stood still
                heard = dict.fromkeys(self._peers, time.monotonic())
            for number, peer in list(self._peers.items()):
                if not self._lives(number, peer, peer in readable, heard):
                    return

    def _lives(self, number: int, peer: socket.socket, readable: bool, heard: dict[int, float]) -> bool:
        try:
            said = peer.recv(4096) if readable else None
            if said is None or _FAREWELL not in said:
                peer.sendall(_BEAT)
        except OSError:
            said = b""
        if said is not None and _FAREWELL in said:
            self._peers.pop(number).close()
        elif said == b"":
            give_up(f"process {number} of {self._processes} died")
            return False
        elif said:
            heard[number] = time.monotonic()
        elif time.monotonic() - heard[number] > self._patience:
            give_up(f"process {number} of {self._processes} has said nothing for {self._patience:.0f} s")
            return False
        return True


def give_up(reason: str) -> None:
    """Ends this process at once with one line; what C++ has to say of the missing other is not heard any more."""
    line = f"rsfm: {reason}; this one ends, too. Start all again with --resume: they go on from the last checkpoint.\n"
    sys.stdout.flush()
    leave(line)


def leave(line: str = "", code: int = LOST) -> None:
    """Ends the process without the farewells of JAX, which would wait for the others and end in a stack of C++."""
    os.write(2, f"\n{line}".encode())  # below the progress bar
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os._exit(code)


def _address(host: str) -> str:
    """Where to listen: on the loopback device where that is where the others come from, else on all."""
    return host if host in ("127.0.0.1", "localhost") else ""

"""A model in a process of its own, cut off from the network: one question in, one answer out.

The parent runs ``python -m imaging.segmentation.backends.child MODULE`` and writes one line of JSON (what is asked, and
the shape of the image) and the image's samples to its standard input; it reads the answer in the same form. ``MODULE``
is one of this package, and its function ``answer(asked, samples)`` is what computes. What libraries print goes to the
standard error, of which the parent repeats the last line only if there is no answer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from imaging.errors import BackendFailed, BackendUnavailable

__all__ = ["ask", "cut_off_network", "main"]

Answer = tuple[Mapping[str, Any], NDArray[np.float32]]
NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.bind")
LONGEST_REASON = 300  # characters of a library's last words
# Five folds over a CT of the whole body take about half an hour on a processor; what takes four times that hangs.
LONGEST_S = 7200.0


def ask(
    module: str,
    asked: Mapping[str, Any],
    samples: NDArray[np.float32],
    *,
    name: str,
    limit_s: float = LONGEST_S,
) -> Answer:
    """What the module's ``answer`` gives for the question, computed elsewhere.

    Parameters
    ----------
    module
        The module with ``answer``.
    asked
        Anything that JSON holds.
    samples
        float32 of any shape.
    name
        The segmenter, for messages.
    limit_s
        After so many seconds the process is ended.

    Raises
    ------
    BackendUnavailable
        The module says so.
    BackendFailed
        The process ended without an answer, with half of one, or not in time.
    """
    # The child sees the same code as its parent, wherever that came from; -P keeps the working folder out of it.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "imaging.segmentation.backends.child", module],
            input=_packed(asked, samples),
            capture_output=True,
            env=environment,
            check=False,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired as error:
        raise BackendFailed(f"{name} gave no answer in {limit_s:g} s and was ended", where=name) from error
    if done.returncode != 0 or not done.stdout:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = words[-1][:LONGEST_REASON] if words else "without a word"
        raise BackendFailed(f"{name} ended with status {done.returncode}: {reason}", where=name)
    try:
        head, _, body = done.stdout.partition(b"\n")
        reply = json.loads(head)
        if "unavailable" in reply:
            raise BackendUnavailable(reply["unavailable"], where=name)
        return reply["reply"], np.frombuffer(body, dtype="<f4").reshape(reply["shape"])
    except BackendUnavailable:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise BackendFailed(f"{name} broke off in the middle of its answer", where=name) from error


def main() -> None:
    """Answer the question on standard input with the module that the command names."""
    answer_to = os.dup(1)
    os.dup2(2, 1)
    cut_off_network()
    asked, samples = _unpacked(sys.stdin.buffer)
    answer: Callable[[Mapping[str, Any], NDArray[np.float32]], Answer] = import_module(sys.argv[1]).answer
    try:
        reply, found = answer(asked, samples)
        content = _packed(reply, found)
    except BackendUnavailable as error:
        content = json.dumps({"unavailable": str(error)}).encode() + b"\n"
    view = memoryview(content)
    while view:
        view = view[os.write(answer_to, view) :]


def cut_off_network() -> None:
    """Make every attempt of this process to reach another machine an error, for good (:func:`sys.addaudithook`).

    Sockets of the file system stay: PyTorch's own workers talk through them.
    """
    sys.addaudithook(_refuse_network)


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in NETWORK:
        return
    address = arguments[1] if event in ("socket.connect", "socket.sendto", "socket.bind") else arguments[0]
    if event.startswith("socket.get") or isinstance(address, tuple):  # a pair of host and port; Unix sockets have paths
        raise PermissionError("a segmenter's process may not use the network")


def _packed(words: Mapping[str, Any], samples: NDArray[np.float32]) -> bytes:
    head = json.dumps({"reply": dict(words), "shape": samples.shape})
    return head.encode() + b"\n" + np.ascontiguousarray(samples, dtype="<f4").tobytes()


def _unpacked(stream: IO[bytes]) -> tuple[Mapping[str, Any], NDArray[np.float32]]:
    head = json.loads(stream.readline())
    return head["reply"], np.frombuffer(stream.read(), dtype="<f4").reshape(head["shape"])


if __name__ == "__main__":
    main()

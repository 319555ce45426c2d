"""A call to stop, as a flag: nothing is torn out of the middle of a write, and everything ends in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["interruption"]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruption() -> Iterator[threading.Event]:
    """A flag that Ctrl-C, SIGTERM and the end of the terminal set, as long as the context lasts.

    Outside the main thread, where Python delivers no signals, it is a flag that nobody sets.

    Examples
    --------
    >>> with interruption() as stop:
    ...     signal.raise_signal(signal.SIGTERM)
    ...     stop.is_set()
    True
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

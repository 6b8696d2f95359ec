"""Work for processes: it must lie where a new process can import it."""

import contextlib
import multiprocessing
import os
import signal
import time

from nowcast.core.errors import MissingExtraError

HELD = None
"""A lock that a thread of a test holds."""


def take_the_lock(_):
    if HELD is not None:
        HELD.acquire()
    return "taken"


def square(number):
    return number * number


def square_or_die(number):
    if number == 5:
        os._exit(11)
    return number * number


def square_or_hang(number):
    if number in (3, 6):
        time.sleep(60)
    return number * number


def number_then_hang(number):
    if number:
        time.sleep(60)
    return os.getpid()


def refuse(number):
    raise OSError(28, "No space left on device")


def lack(number):
    raise MissingExtraError("video", "av", "video")


def square_of_second(pair):
    return pair[0], pair[1] * pair[1]


def kill_itself_once(task):
    number, folder = task
    with contextlib.suppress(FileExistsError):
        if number == 2:
            (folder / "killed").touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)
    return number * number


class StubbornError(Exception):
    """Cannot be made again from what is pickled of it."""

    def __init__(self, one, other):
        super().__init__(f"{one} and {other}")


def be_stubborn(number):
    raise StubbornError("this", "that")


def interrupt_itself(number):
    os.kill(os.getpid(), number)
    return int(number)


def where(_):
    return os.environ.get("OPENBLAS_NUM_THREADS"), os.getpid()


def versions_of_nobody():
    """Says a version here, and on a worker that there is none."""
    if multiprocessing.parent_process() is not None:
        raise ImportError("no such library")
    return {"nowcast": "1"}

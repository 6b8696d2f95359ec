"""Work for processes: it must lie where a new process can import it."""

import os
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


def interrupt_itself(number):
    os.kill(os.getpid(), number)
    return int(number)


def where(_):
    return os.environ.get("OPENBLAS_NUM_THREADS"), os.getpid()

"""Work for processes that decode: it must lie where a new process can import it."""

import os


def square(number):
    return number * number


def square_or_die(number):
    if number == 5:
        os._exit(11)
    return number * number


def refuse(number):
    raise OSError(28, "No space left on device")


def number_of_threads(_):
    return os.environ.get("OPENBLAS_NUM_THREADS"), os.getpid()

"""A disk on which a file of more than a few bytes is one too many: what a full disk looks like to a program."""

import contextlib
import resource


@contextlib.contextmanager
def files_up_to(size):
    """No file may grow beyond ``size`` bytes; the system refuses as a full disk does, at any write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

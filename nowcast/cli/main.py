"""The command line: finds the command, imports only that one, turns mistakes into one line and exit code 2."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import sys
from collections.abc import Sequence

from nowcast.cli.parser import build_parser, module_of, page_of
from nowcast.core.errors import NowcastError, printable

COMMANDS: dict[str, str] = {
    "ingest": "read radar files into an archive",
    "formats": "list the files that can be read, and the libraries they need",
    "info": "say what an archive holds",
    "archive": "check archives; thin, crop, merge or copy them",
    "data": "check a folder of videos or fields: what is there, what is missing",
    "train": "train a network from a configuration",
    "forecast": "forecast from an archive and write a CF netCDF file",
    "show": "show a forecast file on a map: one page, without a network",
    "hindcast": "forecast from every frame of a period into one Zarr store",
    "at": "say what a forecast holds for places and areas: table, JSON, meteogram",
    "motion": "draw the motion of a model and the optical flow as arrows on the map",
    "calibrate": "choose, on validation days, the thresholds at which forecasters call events",
    "verify": "score forecasters over a period and write the table and the page",
    "predict": "forecast one video with a checkpoint: a film, a sheet or arrays",
    "bench": "fill a table: train networks, test them once trained, time them",
    "configs": "list, show and copy the configurations that come with the package",
    "models": "list what can be named as a model",
    "import-checkpoint": "turn weights of a paper's published code into a checkpoint",
    "fetch-weights": "fetch the pretrained weights that a score of frames needs",
    "inspect-memory": "show what the memory of a trained LMC-Memory holds",
    "cycle": "run one scheduled nowcast: ingest, forecast, publish, verify",
    "watch": "run scheduled nowcasts on the radar's own clock",
    "status": "say how a service of scheduled nowcasts is doing",
    "serve": "offer forecasts over HTTP: page, tiles, WMS, EDR queries and files",
    "doctor": "say what this machine has, what is missing and what will be slow",
    "demo": "run the main job on data that the package makes itself",
}
"""Command name -> one line of help. ``nowcast.cli.NAME`` has ``HELP``, ``add_arguments`` and ``run``."""

TRACEBACK = "NOWCAST_TRACEBACK"
"""Environment variable: when set, a fault of the package shows where in the code it lies."""
_PATIENT = ("OMP_WAIT_POLICY", "passive")
"""Set before torch is loaded: threads that wait by spinning are several times slower on a shared core."""
_NEW_OBJECTS = 10_000
"""More new objects than freed ones before Python looks for cycles among them (700 in Python 3.11)."""
_LONGEST_LINE = 4000
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: what the command says, 1 for a fault of the package, 2 for a mistake the user can
        mend, 130 for Ctrl-C.
    """
    os.environ.setdefault(*_PATIENT)
    if argv is None:  # a program that calls this one keeps its own way
        _search_less_for_cycles()
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = build_parser(COMMANDS, arguments[:1]).parse_args(arguments)
    try:
        return int(module_of(args.command).run(args))
    except NowcastError as error:
        print(f"nowcast {args.command}: {_short(printable(error))}", file=sys.stderr)
        for note in getattr(error, "__notes__", ()):
            print(f"  {printable(note)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        page = page_of(args.command)
        rest = f"; {page.again}" if page and page.again else ""
        print(f"nowcast {args.command}: interrupted{rest}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        full = error.errno in _DISK_FULL
        what = "the disk is full" if full else "the system refuses"
        remedy = "make room" if full else "check that it is there, its permissions and the working directory,"
        where = f"{printable(error.filename)}: " if error.filename else ""
        print(
            f"nowcast {args.command}: {where}{what} ({error.strerror or error}); {remedy} and run again",
            file=sys.stderr,
        )
        return 2
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        # torch is not imported here: its error for the memory of a GPU goes by its name
        bug = not (isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError")
        what = f"{type(error).__name__}: {error}"[:300]
        line = (
            f"a fault of nowcast itself ({what}); please report it, with what {TRACEBACK}=1 prints"
            if bug
            else f"this machine has not enough memory for it ({what}); ask for less"
        )
        print(f"nowcast {args.command}: {printable(line)}", file=sys.stderr)
        return 1 if bug else 2


def _search_less_for_cycles() -> None:
    """Let Python look for garbage in cycles less often, and not once more when the process ends.

    Why: what torch and xarray load stays until the end. To look through it meanwhile, and once more at the
    end, when the system takes back all memory at once, takes a third of the time of importing torch. Files have
    been closed before, and what waits for the end of the process is done.
    """
    gc.set_threshold(_NEW_OBJECTS)
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)


def _short(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 200]} ... {line[-200:]}"


if __name__ == "__main__":
    sys.exit(main())

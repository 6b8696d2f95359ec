"""Encode not observed, no echo and values at random in every format, and count the pixels that are misread.

    python scripts/check_absence.py [--count 20000] [--seed 0] [--readers NAME,...]

The encodings are those of ``tests/fakes/absence.py``: types, gains, codes, flags, masks, packings; each file is
read by its reader and compared with what was written, absence exactly and values to two thousandths of a dB.
Control-C ends it with what was found so far.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def main() -> int:
    """Read the files and print what was misread; 1 when anything was."""
    from nowcast.ingestion.readers.catalog import READERS
    from tests.fakes.absence import ENCODINGS, misread

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--readers", default=",".join(ENCODINGS))
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    names = args.readers.split(",")
    rng = np.random.default_rng(args.seed)
    files, pixels, wrong = dict.fromkeys(names, 0), dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    try:
        for number in tqdm(range(args.count), unit="file"):
            name = names[number % len(names)]
            with tempfile.TemporaryDirectory() as folder:
                path, dbz = ENCODINGS[name](Path(folder), rng)
                found = READERS[name].open(path).values[0]
                wrong[name] += misread(found, dbz)
            files[name] += 1
            pixels[name] += dbz.size
    except KeyboardInterrupt:
        print("interrupted; until then:")
    for name in names:
        print(f"{name:<12} {files[name]:6d} files {pixels[name]:12d} pixels {wrong[name]:6d} misread")
    count, cells, faults = (sum(each.values()) for each in (files, pixels, wrong))
    print(f"together     {count:6d} files {cells:12d} pixels {faults:6d} misread")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

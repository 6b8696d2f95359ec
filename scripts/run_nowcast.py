#!/usr/bin/env python3
"""One scheduled nowcast, for cron: the same as `nowcast cycle`, with the same arguments and exit codes.

Usage: run_nowcast.py --config configs/service/NAME.yaml [--set key=value ...]
"""

import sys

from nowcast.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["cycle", *sys.argv[1:]]))

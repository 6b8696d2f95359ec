"""Make a trained network part of the package: small weights, registered by their digest.

    python scripts/package_weights.py motionrnn runs/italy_motionrnn/v0/best.ckpt
    nowcast calibrate --models motionrnn.safetensors ... --out motionrnn.thresholds.json
    (both in nowcast/weights)

Writes NAME.safetensors (the weights that forecast, float16), NAME.curve.csv (the learning curve of the run)
and the digest in registry.json. Decision levels are made after that, because they name the digest.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from nowcast.core.errors import CheckpointError, NowcastError
from nowcast.core.files import sha256, whole_file
from nowcast.forecasters.packaged import REGISTRY, folder, registry
from nowcast.models import weights_file
from nowcast.models.checkpoint import load_network, pack

MOST_BYTES = 8_000_000
PLACES = ("path", "cache", "start_from")
"""Settings that name a file or a folder."""


def without_folders(value: Any) -> Any:
    """Settings whose paths are names only: folders of one machine tell nothing elsewhere."""
    if isinstance(value, dict):
        return {
            k: Path(v).name if k in PLACES and isinstance(v, str) else without_folders(v)
            for k, v in value.items()
        }
    return [without_folders(v) for v in value] if isinstance(value, (list, tuple)) else value


def main() -> int:
    """Write the files; give 2 where the checkpoint will not do."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="of the system, as 'nowcast forecast --model NAME' will know it")
    parser.add_argument("checkpoint", type=Path, help="best.ckpt of 'nowcast train'")
    args = parser.parse_args()
    path = folder() / f"{args.name}{weights_file.SUFFIX}"
    try:
        curve = (args.checkpoint.parent / "metrics.csv").read_text(encoding="utf-8")
        loaded = load_network(args.checkpoint)
        if 2 * sum(v.numel() for v in loaded.model.state_dict().values()) > MOST_BYTES:
            raise CheckpointError(f"{args.checkpoint}: too large, expected at most {MOST_BYTES} bytes")
        meta = replace(loaded.meta, experiment=without_folders(loaded.meta.experiment))
        weights_file.write(path, pack(loaded.model.state_dict(), meta))
    except (NowcastError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    (folder() / f"{args.name}.curve.csv").write_text(curve, encoding="utf-8")
    digests = {**registry(), args.name: sha256(path)}
    with whole_file(folder() / REGISTRY) as temporary:
        temporary.write_text(json.dumps(digests, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, sha256 {digests[args.name]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How far MotionRNN's filter grows over long horizons, and what bounding it costs in skill.

    python scripts/measure_motion_growth.py                  # growth at the start of training, in a minute
    python scripts/measure_motion_growth.py --train 400      # and after training, with the errors

The first table gives mean and largest |F| (cells of the reduced map) of all layers at some time steps.
With --train a small network is trained on moving digits for 5 -> 10 frames, once for each way and seed on
the same clips, and its errors are given for the lead times it was trained on and far beyond.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from nowcast.data.moving_digits import DigitSettings, MovingDigits
from nowcast.models.catalog import build_model
from nowcast.models.cells.motion import MotionState
from nowcast.models.recurrent import RecurrentStack, StackState

WAYS = ("none", "limit", "transient")
SHOWN = (0, 3, 6, 9, 13, 20, 30, 40)
PAST, STEPS, LONG = 5, 10, 40


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=int, default=0, help="training steps (default: growth only)")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--variant", choices=("released", "paper"), default="released")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    frames = digits(seed=1, clips=4, length=PAST)
    print("At the start of training, 4 x 64 hidden, 64 x 64 frames:")
    _growth({way: _network(way, args.variant, hidden=[64] * 4) for way in WAYS}, frames)
    for seed in range(args.seeds if args.train else 0):
        print(f"\nAfter {args.train} steps on moving digits, 3 x 16 hidden, seed {seed}:", flush=True)
        for way in WAYS:
            trained = {way: _train(_network(way, args.variant, [16] * 3, seed), args.train, seed)}
            _growth(trained, digits(seed=1001, clips=8, length=PAST))
            _errors(trained)


def digits(seed: int, clips: int, length: int, start: int = 0) -> Tensor:
    """Clips (B, T, 1, 64, 64) of digits that move, turn and swell."""
    reel = MovingDigits(DigitSettings(seed=seed, length=length, turn_degrees=10.0, scale_range=(0.8, 1.2)))
    read = [reel.read(n * length, length, slice(None), slice(None)) for n in range(start, start + clips)]
    return torch.stack([torch.from_numpy(clip) for clip in read])


def growth(model: RecurrentStack, past: Tensor, steps: int) -> list[tuple[float, float]]:
    """Mean and largest |F| over all layers after each time step."""
    found: list[tuple[float, float]] = []

    def watch(t: int, state: StackState) -> None:
        del t
        filters = [s.filter for s in state.cells if isinstance(s, MotionState)]
        sizes = torch.stack([f.abs() for f in filters if f is not None])
        found.append((sizes.mean().item(), sizes.max().item()))

    with torch.no_grad():
        model.run(past, steps, watch=watch)
    return found


def _network(way: str, variant: str, hidden: list[int], seed: int = 0) -> RecurrentStack:
    torch.manual_seed(seed)
    settings: dict[str, Any] = {"hidden": hidden, "motion": {"stability": way, "variant": variant}}
    if len(hidden) < 4:
        settings["filter_size"] = 3
    model = build_model("motionrnn_predrnn", settings)
    assert isinstance(model, RecurrentStack)
    return model


def _growth(models: dict[str, RecurrentStack], past: Tensor) -> None:
    print(f"{'mean (max) |F| at t':<20}" + "".join(f"{t:>19}" for t in SHOWN))
    for way, model in models.items():
        sizes = growth(model, past, max(SHOWN) - PAST + 2)
        cells = "".join(f"{f'{sizes[t][0]:.2f} ({sizes[t][1]:.2f})':>19}" for t in SHOWN)
        print(f"{way:<20}{cells}", flush=True)


def _train(model: RecurrentStack, steps: int, seed: int) -> RecurrentStack:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for step in tqdm(range(steps), file=sys.stderr, leave=False):
        clip = digits(seed=seed, clips=4, length=PAST + STEPS, start=4 * step)
        predicted = model.rollout(clip[:, :PAST], STEPS)
        error = predicted - clip[:, 1:]
        loss = error.square().mean() + error.abs().mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model.eval()


def _errors(models: dict[str, RecurrentStack]) -> None:
    clip = digits(seed=1000, clips=32, length=PAST + LONG)
    still = (clip[:, PAST:] - clip[:, PAST - 1 : PAST]).square().sum((2, 3, 4)).mean(0)
    print(f"\n{'squared error a frame':<24}{'leads 1-10':>12}{'11-20':>10}{'21-40':>10}")
    rows = {"persistence": still}
    for way, model in models.items():
        with torch.no_grad():
            error = model(clip[:, :PAST], LONG) - clip[:, PAST:]
        rows[way] = error.square().sum((2, 3, 4)).mean(0)
    for name, row in rows.items():
        print(f"{name:<24}{row[:10].mean():12.1f}{row[10:20].mean():10.1f}{row[20:].mean():10.1f}", flush=True)


if __name__ == "__main__":
    main()

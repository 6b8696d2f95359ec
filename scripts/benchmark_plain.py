"""Times the forecasts of the networks of video prediction against plain readings of their descriptions.

    python scripts/benchmark_plain.py [--networks cdna_moving_mnist ...] [--rounds 3]

Every configuration of ``configs/model`` that continues 10 frames of 64 x 64 by 10 and whose network
`plain_networks` has a reading of, with its published sizes, and their `VARIANTS`: a forecast by the fast copy,
which is what forecasts, and one by the plain reading with the same weights take turns, on one thread. Printed
are the median of the CPU seconds of either, the median of the ratios within a round and their range (below 1:
ours is faster), and how far the outputs are apart at most.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from statistics import median

import torch
from interleaved import interleaved
from network_rows import rows
from plain_networks.readings import READINGS, read_plainly

from nowcast.models.configuration import ModelConfiguration
from nowcast.models.cpu.fast import fast

VARIANTS: dict[str, tuple[str, dict[str, object]]] = {
    "dna": ("cdna_moving_mnist", {"motion": "dna"}),
    "stp": ("cdna_moving_mnist", {"motion": "stp"}),
    "stmfanet_temporal": ("stmfanet_moving_mnist", {"temporal": True}),
}
"""Other forms of a network: a configuration, and the settings that differ."""


def main() -> None:
    """Measure and print."""
    found = {name: row for name, row in rows().items() if row.model.name in READINGS}
    for name, (base, other) in VARIANTS.items():
        model = found[base].model
        found[name] = replace(found[base], model=replace(model, settings={**model.settings, **other}))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="*", choices=list(found), default=list(found), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, CPU seconds, one thread")
    print(f"{'configuration':<30} {'ours':>7} {'plain':>7} {'ratio':>6} {'range':>12} {'apart':>8}")
    for name in args.networks:
        print(_line(name, found[name], args.rounds), flush=True)


def _line(name: str, row: ModelConfiguration, rounds: int) -> str:
    torch.manual_seed(0)
    network = row.build().eval()
    plain = read_plainly(row.model.name, dict(row.model.settings), network, row.size)
    ours = fast(network)
    del network
    past = torch.rand(1, row.past, row.channels, *row.size)
    with torch.inference_mode():
        apart = (ours(past, row.future) - plain(past, row.future)).abs().max().item()
        jobs = {"ours": lambda: ours(past, row.future), "plain": lambda: plain(past, row.future)}
        taken = interleaved(jobs, rounds, cpu_time=True)
    ratios = sorted(o / p for o, p in zip(taken["ours"], taken["plain"], strict=True))
    return (
        f"{name:<30} {median(taken['ours']):7.3f} {median(taken['plain']):7.3f} {median(ratios):6.2f} "
        f"{ratios[0]:5.2f} to {ratios[-1]:4.2f} {apart:8.1e}"
    )


if __name__ == "__main__":
    main()

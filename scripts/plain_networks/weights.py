"""Weights of the package's networks in the plain ones: where each goes, and what is put together or turned.

A network of the package and its plain reading have the same numbers under other names. Names are changed by
regular expressions, in their order; the plain network takes the weights only if all of its own are given.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import torch
from torch import Tensor, nn

Name = str | Callable[[re.Match[str]], str]
Rules = list[tuple[str, Name]]


def take_weights(name: str, network: nn.Module, plain: nn.Module) -> None:
    """Copy all weights of the package's network ``name`` into its plain reading."""
    given = {key: value for key, value in network.state_dict().items() if not key.endswith(_NOT_WEIGHTS)}
    found: dict[str, Tensor] = {}
    for key, value in given.items():
        new = _renamed(key, RULES.get(name, []))
        found.update(SPLIT[name](new, value) if name in SPLIT else {new: value})
    wanted = {k: v for k, v in plain.state_dict().items() if not k.endswith(_NOT_WEIGHTS)}
    if set(found) != set(wanted):
        raise ValueError(f"{name}: got {sorted(set(found) ^ set(wanted))} on one side only; mend its rules")
    plain.load_state_dict({key: value.view_as(wanted[key]) for key, value in found.items()}, strict=False)


_NOT_WEIGHTS = ("num_batches_tracked", "batches_seen")


def _renamed(key: str, rules: Rules) -> str:
    for pattern, new in rules:
        key = re.sub(pattern, new, key)
    return key


def _without_activations(before: str, after: str) -> tuple[str, Name]:
    """Layers of a sequence with an activation after each, counted without these."""
    return rf"^{before}\.(\d+)\.", lambda m: f"{after}.{int(m[1]) // 2}."


def _dfn_layer(match: re.Match[str]) -> str:
    places = {0: "small.0", 2: "small.1", 5: "large.0", 7: "large.1", 9: "large.2", 11: "filters"}
    return places[int(match[1])] + "."


def _stmfanet_layer(match: re.Match[str]) -> str:
    places = {0: "0.0", 2: "0.2", 4: "0.4", 6: "1.0", 8: "1.2", 10: "2.0"}
    number = int(match[1])
    return f"decoder.{places[number]}." if number in places else "frame."


_GATED: Rules = [
    (r"^translator\.blocks\.", "translator."),
    (r"attention_norm", "norm1"),
    (r"mixer_norm", "norm2"),
    (r"attention_scale", "scale1"),
    (r"mixer_scale", "scale2"),
    (r"attention\.", ""),
    (r"gate\.sight", "gate"),
    (r"gate\.split", "gate.mix"),
    (r"mixer\.0", "widen"),
    (r"mixer\.1", "spatial"),
    (r"mixer\.3", "narrow"),
]
_ONE_SHOT: Rules = [
    (r"^encoder\.rest\.(\d+)\.", lambda m: f"encoder.{int(m[1]) + 1}."),
    (r"^encoder\.first", "encoder.0"),
    (r"^decoder\.rest\.", "decoder."),
    (r"^decoder\.(readout|last)", r"\1"),
    (r"^translator\.down", "translator.encoder"),
    (r"^translator\.up", "translator.decoder"),
    (r"^(translator\.(?:en|de)coder\.\d+)\.enter", r"\1.narrow"),
]
RULES: dict[str, Rules] = {
    "cdna": [
        (r"^cells\.(\d+)", r"lstm.\1.cell"),
        (r"^norms\.(\d+)", r"lstm.\1.norm"),
        (r"^scratch", "scratch_head"),
        (r"^masks", "mask_head"),
        (r"^head\.kernels", "kernel_head"),
        (r"^head\.hidden", "affine"),
        (r"^head\.transforms", "affine_heads"),
    ],
    "dfn": [
        _without_activations("encoder", "encoder"),
        _without_activations("recurrence", "memory"),
        (r"^decoder\.(\d+)\.", _dfn_layer),
    ],
    "vpn": [
        (r"^encoder\.enter", "first"),
        (r"^(en|de)coder\.blocks", r"\1coder"),
        (r"^decoder\.last", "last"),
        (r"\.enter", ".narrow"),
        (r"\.leave", ".widen"),
        (r"(first|second)_unit\.gates", r"\1.conv"),
    ],
    "mcnet": [
        (r"^motion_encoder\.groups\.(\d)\.0", r"motion.\1"),
        (r"^content_encoder\.groups", "content"),
        (r"^residuals\.(\d)\.0\.0", r"residual.\1.0"),
        (r"^residuals\.(\d)\.1", r"residual.\1.2"),
        (r"^decoder\.2\.0\.0", "decoder.2.0"),
        (r"^decoder\.2\.1", "last"),
    ],
    "frnn": [
        (r"^convolutions\.(\d+)\.weight", r"convolutions.\1.conv.weight"),
        (r"up_bias", "conv.bias"),
        (r"^layers", "grus"),
    ],
    "savp_vae": [
        (r"^posterior\.convolutions\.0", "posterior.convs.0"),
        (r"^posterior\.convolutions\.2", "posterior.convs.1"),
        (r"^posterior\.convolutions\.5", "posterior.convs.2"),
        (r"^posterior\.convolutions\.3", "posterior.norms.1"),
        (r"^posterior\.convolutions\.6", "posterior.norms.2"),
        (r"^generator\.encoder\.(\d+)\.cell", r"lstm.\1"),
        (r"^generator\.decoder\.0\.cell", "lstm.3"),
        (r"^generator\.decoder\.1\.cell", "lstm.4"),
        (r"^generator\.encoder", "down"),
        (r"^generator\.decoder", "up"),
        (r"convolution\.", "conv."),
        (r"norm_(gate|cell)s?", r"\1_norm"),
        (r"^generator\.drawing", "scratch"),
        (r"^generator\.mask_features", "mask_in"),
        (r"^generator\.mask_head", "mask_out"),
        (r"^generator\.", ""),
    ],
    "crevnet": [
        (r"^autoencoder\.blocks\.(\d+)\.residual", r"coupling.\1.change"),
        (r"^predictor\.", ""),
        (r"\.time\.", ".temporal."),
        (r"\.space\.", ".spatial."),
        (r"\.last\.", ".mix."),
    ],
    "stmfanet": [
        (r"^spatial\.", ""),
        (r"^dense\.(\d)\.layers\.(\d+)", r"dense.\1.\2.change"),
        (r"^temporal\.layers\.(\d+)", lambda m: f"temporal.{int(m[1]) // 4}.{int(m[1]) % 4}"),
        (r"^fuse", "fusion"),
        (r"^decoder\.(\d+)\.", _stmfanet_layer),
    ],
    "phydnet": [
        (r"^physical_encoder", "physical_in"),
        (r"^other_encoder", "residual_in"),
        (r"^physical_decoder", "physical_out"),
        (r"^other_decoder", "residual_out"),
        (r"^physical\.", "phycell."),
        (r"derivatives", "differences.0"),
        (r"phycell\.norm", "phycell.differences.1"),
        (r"mixture", "differences.2"),
    ],
    "simvp": _ONE_SHOT + _GATED,
    "tau": _ONE_SHOT + _GATED,
}
"""Pattern and what it becomes, by the network's name in the catalog."""


def _cdna(key: str, value: Tensor) -> dict[str, Tensor]:
    """The affine heads of STP are one layer in the package."""
    _, affine, kind = key.partition("affine_heads.")
    if not affine:
        return {key: value}
    return {f"affine_heads.{n}.{kind}": part for n, part in enumerate(value.view(-1, 6, *value.shape[1:]))}


def _frnn(key: str, value: Tensor) -> dict[str, Tensor]:
    """Reset and update gate are one convolution in the package."""
    found = re.fullmatch(r"(grus\.\d+)\.(up|down)_(gates|candidate)\.(\w+)", key)
    if found is None:
        return {key: value}
    start, way, part, kind = found.groups()
    side = "w" if way == "up" else "v"
    parts = {2: value} if part == "candidate" else dict(enumerate(value.chunk(2)))
    return {f"{start}.{side}.{n}.{kind}": gate for n, gate in parts.items()}


def _phydnet(key: str, value: Tensor) -> dict[str, Tensor]:
    """Gates are in another order in the package: i, g, f, o."""
    if not key.startswith("lstm."):
        return {key: value}
    i, g, f, o = value.chunk(4)
    return {key: torch.cat([i, f, o, g])}


def _turned(pattern: str) -> Callable[[str, Tensor], dict[str, Tensor]]:
    """Transposed convolutions of stride 1 are convolutions in the package, with filters turned round."""

    def turn(key: str, value: Tensor) -> dict[str, Tensor]:
        if re.match(pattern, key) and value.dim() == 4:
            value = value.transpose(0, 1).flip(2, 3)
        return {key: value}

    return turn


SPLIT: dict[str, Callable[[str, Tensor], dict[str, Tensor]]] = {
    "cdna": _cdna,
    "frnn": _frnn,
    "phydnet": _phydnet,
    "mcnet": _turned(r"decoder|last"),
    "stmfanet": _turned(r"decoder\.\d\.[1-9]|frame"),
}
"""What becomes of the numbers of a weight, and of one that the plain reading has in parts."""

"""The work that `measure_gpu.py` times: variants ready to run, and how far each is from the eager one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch._dynamo
import torch.nn.functional as F
from torch import Tensor

import nowcast
from nowcast.models import checkpoint
from nowcast.models.base import SequenceModel
from nowcast.models.catalog import build_model
from nowcast.models.cpu.fast import fast
from nowcast.models.cuda_graph import Graphed, recorded
from nowcast.models.padding import AnySize

NARROW: Mapping[str, Mapping[str, Any]] = {
    "motionrnn_predrnn": {"hidden": [8, 8], "filter_size": 3},
    "lmc_memory": {"hidden": 8, "layers": 1, "slot_width": 16, "slots": 4},
    "astm": {"hidden": [4, 4], "filter_size": 3},
}
PRECISIONS = {"bfloat16": torch.bfloat16, "float32": torch.float32}
PAST, STEPS = 5, 10
_STEPS_COMPARED = 3


class Measured(NamedTuple):
    """One variant."""

    run: Callable[[], object]
    apart: float | None = None
    """Largest difference of its result from that of the eager variant in float32; None for that one."""


def forecasts(
    name: str, past: int, steps: int, side: int, device: torch.device, narrow: bool
) -> dict[str, Measured]:
    """A network with fresh weights of its paper's size, one sequence: frames and forecast on the device."""
    return _variants(_fresh(name, side, device, narrow), _frames(past, side, side, device), None, steps, device)


def packaged_forecasts(name: str, rows: int, columns: int, device: torch.device) -> dict[str, Measured]:
    """A network of the package, with its optical flow and its probabilities, under a round coverage mask."""
    path = Path(nowcast.__file__).parent / "weights" / f"{name}.safetensors"
    network: SequenceModel = AnySize(_packaged(path).to(device).eval())
    i, j = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    observed = torch.hypot(i / rows - 0.5, j / columns - 0.5) < 0.6
    observed[rows // 2, columns // 3 : columns // 3 + 2] = False
    observed = observed.expand(1, PAST, 1, rows, columns).contiguous()
    frames = _frames(PAST, rows, columns, torch.device("cpu")) * observed
    found = _variants(network, frames.to(device), observed.to(device), STEPS, device)
    if device.type != "cuda":
        return found
    pinned = torch.empty(_result(network, frames.to(device), observed.to(device)).shape).pin_memory()
    frames, observed = frames.pin_memory(), observed.pin_memory()

    def there_and_back(forecast: SequenceModel) -> None:
        with torch.no_grad():
            given = frames.to(device, non_blocking=True), observed.to(device, non_blocking=True)
            pinned.copy_(forecast(given[0], STEPS, None, given[1]))

    for label, dtype in PRECISIONS.items():
        found[f"graph {label}, from CPU to CPU"] = Measured(
            partial(there_and_back, Graphed(fast(network, dtype)))
        )
    return found


def _packaged(path: Path) -> SequenceModel:
    """A network of the package; without safetensors the same one with fresh weights, which takes as long."""
    try:
        return checkpoint.load_network(path).model
    except ImportError:
        head = path.read_bytes()
        described = json.loads(head[8 : 8 + int.from_bytes(head[:8], "little")])["__metadata__"]
        meta = checkpoint.meta_of(path, {"nowcast": json.loads(described["nowcast"])})
        return checkpoint.build_network(meta, path).forecast_only()


def _result(network: SequenceModel, past: Tensor, observed: Tensor | None, steps: int = STEPS) -> Tensor:
    with torch.no_grad():
        found: Tensor = network(past, steps, None, observed)
        return found.float().clone()


def _variants(
    network: SequenceModel, past: Tensor, observed: Tensor | None, steps: int, device: torch.device
) -> dict[str, Measured]:
    made: dict[str, SequenceModel] = {"eager float32": network}
    for label, dtype in PRECISIONS.items():
        made[f"fused {label}"] = fast(network, dtype)
        if device.type == "cuda":
            made[f"graph {label}"] = Graphed(fast(network, dtype))
    if device.type == "cuda":
        made["graph TF32"] = Graphed(fast(network, torch.float32))
        with _tf32():
            _result(made["graph TF32"], past, observed, steps)  # a recording keeps the precision it was made in
    expected = _result(network, past, observed, steps)
    return {
        label: Measured(
            partial(_result, one, past, observed, steps),
            None if one is network else _apart(_result(one, past, observed, steps), expected),
        )
        for label, one in made.items()
    }


def compiled_forecast(side: int, device: torch.device, narrow: bool) -> dict[str, Measured]:
    """MotionRNN-PredRNN with its step through the stack compiled, as it is and recorded."""
    network = _fresh("motionrnn_predrnn", side, device, narrow)
    past = _frames(PAST, side, side, device)
    expected = _result(network, past, None)
    found = {"eager float32": Measured(partial(_result, network, past, None))}
    for label, dtype in PRECISIONS.items():
        copied = fast(network, dtype)
        _compile_step(copied.network, device)  # type: ignore[arg-type]
        found[f"compiled {label}"] = Measured(
            partial(_result, copied, past, None), _apart(_result(copied, past, None), expected)
        )
        if device.type == "cuda":
            graphed = Graphed(copied)
            found[f"compiled, graph {label}"] = Measured(
                partial(_result, graphed, past, None), _apart(_result(graphed, past, None), expected)
            )
    return found


def training_steps(
    side: int, batch: int, device: torch.device, narrow: bool, compiled: bool
) -> dict[str, Measured]:
    """One step of training (forecast, mean squared error, gradients, Adam) in bfloat16 by autocast.

    ``apart`` is the largest relative difference of the losses of the first steps from the same weights.
    """
    kinds = {"eager bfloat16": (False, False)}
    if device.type == "cuda":
        kinds["graph bfloat16"] = (False, True)
    if compiled:
        kinds["compiled bfloat16"] = (True, False)
        if device.type == "cuda":
            kinds["compiled, graph bfloat16"] = (True, True)
    jobs: dict[str, Measured] = {}
    expected: list[float] | None = None
    for label, (compile_it, record) in kinds.items():
        run, losses = _training_step(side, batch, device, narrow, compile_it, record)
        apart = None
        if expected is None:
            expected = losses
        else:
            apart = max(abs(a - b) / abs(b) for a, b in zip(losses, expected, strict=True))
        jobs[label] = Measured(run, apart)
    return jobs


def _training_step(
    side: int, batch: int, device: torch.device, narrow: bool, compile_it: bool, record: bool
) -> tuple[Callable[[], object], list[float]]:
    """A job, and the losses of the steps that it took first: the warm-up of a recording is among them."""
    network = _fresh("motionrnn_predrnn", side, device, narrow).train()
    if compile_it:
        _compile_step(network, device)
    frames = _frames(PAST + STEPS, side, side, device, batch)
    past, future = frames[:, :PAST], frames[:, PAST:]
    adam = torch.optim.Adam(network.parameters(), lr=1e-4, capturable=record, foreach=True)
    losses: list[Tensor] = []

    def step() -> None:
        adam.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16):
            forecast = network(past, STEPS)
        loss = F.mse_loss(forecast.float(), future)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        losses.append(loss.detach())

    if not record:
        for _ in range(_STEPS_COMPARED + 1):
            step()
        return step, [float(loss) for loss in losses]
    replay = recorded(step, warm_ups=_STEPS_COMPARED)
    last = losses[-1]  # of the recording: each replay writes the loss there
    replay()
    return replay, [float(loss) for loss in (*losses[:_STEPS_COMPARED], last)]


def _tf32() -> AbstractContextManager[None]:
    return torch.backends.cudnn.flags(benchmark=True, allow_tf32=True)


def _compile_step(network: SequenceModel, device: torch.device) -> None:
    """Compile the one step through the stack that is unrolled over time; a CPU is only to try the script."""
    torch._dynamo.reset()
    torch._dynamo.config.recompile_limit = 64
    backend = "inductor" if device.type == "cuda" else "eager"
    network.step = torch.compile(network.step, backend=backend, dynamic=False)  # type: ignore[assignment,arg-type]


def _fresh(name: str, side: int, device: torch.device, narrow: bool) -> SequenceModel:
    torch.manual_seed(0)
    settings = NARROW[name] if narrow else {}
    return build_model(name, settings, 1, (side, side)).to(device).eval()


def _frames(length: int, rows: int, columns: int, device: torch.device, batch: int = 1) -> Tensor:
    """Rain of about a tenth of the area on the scale of a network, moving by (1, 3) cells a frame."""
    torch.manual_seed(1)
    noise = torch.randn(1, 1, rows + length, columns + 3 * length)
    texture = torch.zeros_like(noise)
    for side in (3, 9, 31):
        texture += side * F.avg_pool2d(noise, side, stride=1, padding=side // 2)
    wet = ((texture - texture.flatten()[::7].quantile(0.88)) / texture.std()).clamp(0.0, 2.0) / 2.0
    views = [wet[..., n : n + rows, 3 * n : 3 * n + columns] for n in reversed(range(length))]
    return torch.stack(views, dim=1).expand(batch, -1, -1, -1, -1).contiguous().to(device)


def _apart(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max())

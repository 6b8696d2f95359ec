"""A GPU that is not there: recordings that end as torch ends one within which something failed."""

import contextlib
from types import SimpleNamespace

import torch


def recordings_that_break(monkeypatch):
    """Let the calls of torch that record do nothing; what a recorded job raises breaks the end of it, too."""

    @contextlib.contextmanager
    def graph(_):
        try:
            yield
        except Exception:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")  # noqa: B904

    stream = SimpleNamespace(wait_stream=lambda other: None)
    monkeypatch.setattr(torch.cuda, "Stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda one: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=lambda: None))
    monkeypatch.setattr(torch.cuda, "graph", graph)

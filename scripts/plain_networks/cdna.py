"""CDNA, DNA and STP: ConvLSTMs that predict how pixels move and where each motion holds.

Dimensions: B batch, M motions, C channels, H rows, W columns.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .parts import BasicConvLSTM, State, move, positive_kernels, shifts


def layer_norm(channels: int) -> nn.GroupNorm:
    """Over all values of a map, with a gain and an offset a channel."""
    return nn.GroupNorm(1, channels, eps=1e-12)


class NormedLSTM(nn.Module):
    """A ConvLSTM whose output is normalised on its way out, not in its state."""

    def __init__(self, inputs: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.cell = BasicConvLSTM(inputs, hidden, kernel)
        self.norm = layer_norm(hidden)

    def forward(self, x: Tensor, states: list[State | None], at: int) -> Tensor:
        """One step; the state at place ``at`` is replaced."""
        state = states[at] = self.cell(x, states[at])
        normed: Tensor = self.norm(state[0])
        return normed


class PlainCDNA(nn.Module):
    """The network of ``motion`` cdna, dna or stp for frames of ``size``."""

    def __init__(
        self,
        motion: str = "cdna",
        masks: int = 10,
        channels: int = 1,
        size: tuple[int, int] = (64, 64),
        hidden: tuple[int, int, int] = (32, 64, 128),
        filter_size: int = 5,
    ) -> None:
        super().__init__()
        self.motion, self.masks = motion, masks
        a, b, c = hidden
        k = filter_size
        self.enc0 = nn.Conv2d(channels, a, 5, stride=2, padding=2, bias=False)
        self.norm0 = layer_norm(a)
        self.lstm = nn.ModuleList(
            NormedLSTM(*wide, k) for wide in ((a, a), (a, a), (a, b), (b, b), (b, c), (c, b), (b + a, a))
        )
        self.enc1 = nn.Conv2d(a, a, 3, stride=2, padding=1)
        self.enc2 = nn.Conv2d(b, b, 3, stride=2, padding=1)
        self.enc3 = nn.Conv2d(b, b, 1)
        self.enc4 = nn.ConvTranspose2d(c, c, 3, stride=2, padding=1, output_padding=1)
        self.enc5 = nn.ConvTranspose2d(a + b, a + b, 3, stride=2, padding=1, output_padding=1)
        self.enc6 = nn.ConvTranspose2d(2 * a, 2 * a, 3, stride=2, padding=1, output_padding=1, bias=False)
        self.norm6 = layer_norm(2 * a)
        self.mask_head = nn.Conv2d(2 * a, masks + 1, 1)
        flat = c * (size[0] // 8) * (size[1] // 8)
        if motion == "dna":
            self.kernel_head: nn.Module = nn.Conv2d(2 * a, 25, 1)
            return
        self.scratch_head = nn.Conv2d(2 * a, channels, 1)
        if motion == "cdna":
            self.kernel_head = nn.Linear(flat, 25 * masks)
        else:
            self.affine = nn.Linear(flat, 100)
            self.affine_heads = nn.ModuleList(nn.Linear(100, 6) for _ in range(masks - 1))

    def forward(self, past: Tensor, steps: int) -> Tensor:
        """(B, T, C, H, W) -> (B, S, C, H, W)."""
        states: list[State | None] = [None] * 7
        forecast: list[Tensor] = []
        for t in range(past.shape[1] + steps - 1):
            frame = past[:, t] if t < past.shape[1] else forecast[-1]
            forecast.append(self.step(frame, states))
        return torch.stack(forecast[-steps:], dim=1)

    def step(self, prev: Tensor, states: list[State | None]) -> Tensor:
        """The next frame."""
        enc0 = F.relu(self.norm0(self.enc0(prev)))
        h2 = self.lstm[1](self.lstm[0](enc0, states, 0), states, 1)
        enc1 = F.relu(self.enc1(h2))
        h4 = self.lstm[3](self.lstm[2](enc1, states, 2), states, 3)
        enc3 = F.relu(self.enc3(F.relu(self.enc2(h4))))
        h5 = self.lstm[4](enc3, states, 4)
        h6 = self.lstm[5](F.relu(self.enc4(h5)), states, 5)
        enc5 = F.relu(self.enc5(torch.cat([h6, enc1], dim=1)))
        h7 = self.lstm[6](enc5, states, 6)
        enc6 = self.norm6(self.enc6(torch.cat([h7, enc0], dim=1)))
        masks = torch.softmax(self.mask_head(enc6), dim=1).unsqueeze(2)
        moved = self.moved(prev, h5, enc6)[: self.masks]
        images = torch.stack([prev, *moved], dim=1)
        return (masks * images).sum(dim=1)

    def moved(self, prev: Tensor, h5: Tensor, enc6: Tensor) -> list[Tensor]:
        """What else the next frame is made of, each (B, C, H, W)."""
        if self.motion == "dna":
            kernels = positive_kernels(self.kernel_head(enc6), dim=1)
            return [(kernels.unsqueeze(2) * shifts(prev, 5)).sum(dim=1)]
        scratch = torch.sigmoid(self.scratch_head(enc6))
        if self.motion == "cdna":
            raw = self.kernel_head(h5.flatten(1)).view(-1, 25, self.masks)
            kernels = positive_kernels(raw, dim=1).transpose(1, 2).reshape(-1, self.masks, 5, 5)
            return [scratch, *move(F.pad(prev, (2, 2, 2, 2)), kernels).unbind(1)]
        hidden = F.relu(self.affine(h5.flatten(1)))
        identity = prev.new_tensor([1.0, 0, 0, 0, 1, 0])
        warped = []
        for head in self.affine_heads:
            grid = F.affine_grid((head(hidden) + identity).view(-1, 2, 3), list(prev.shape), align_corners=True)
            warped.append(F.grid_sample(prev, grid, align_corners=True))
        return [scratch, *warped]

"""FVD: how far apart the clouds of forecast and of observed videos are in what I3D sees in them.

Dimensions: B batch, S lead times, C channels, H rows, W columns, D features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError, MissingWeightsError, SettingsError
from nowcast.core.files import sha256
from nowcast.scores import i3d
from nowcast.scores.arrays import ScoreError
from nowcast.scores.base import Sums
from nowcast.scores.frames import frames
from nowcast.scores.frechet import frechet_distance, moments
from nowcast.scores.full_precision import full_float32


@dataclass(frozen=True)
class Fvd:
    """Frechet video distance of whole forecasts (all lead times together); 0 is best.

    Frames are enlarged bilinearly to 224 x 224, gray is repeated three times, values go to [-1, 1]; the
    features are the class scores of I3D trained on Kinetics. The number falls with the count of videos:
    compare only numbers of the same videos.

    Source: Unterthiner et al. 2018 (arXiv:1812.01717).
    """

    weights: Path
    """A user's file: the state dictionary of RGB I3D (see `nowcast.scores.i3d.shapes` for its names)."""
    sha256: str
    """What that file must be; a number without it could not be told from one of other weights."""
    name: ClassVar[str] = "fvd"

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Add up count, features and their products of both sides; leading axis 1.

        Raises:
            ScoreError: frames that are not one shape, not in [0, 1], or neither gray nor RGB.
            FileError: weights that are not the named ones.
        """
        import torch

        device = forecast.device if isinstance(forecast, torch.Tensor) else torch.device("cpu")
        both = frames(forecast, observed)
        if both.forecast.shape[2] not in (1, 3):
            raise ScoreError(
                f"fvd: got frames of {both.forecast.shape[2]} channels, expected 1 (gray) or 3 (RGB)"
            )
        weights = {k: v.to(device) for k, v in i3d.read(self.weights, self.sha256).items()}
        found = [np.concatenate([features(video, weights, device) for video in side]) for side in both]
        return {**moments(found[0], "forecast"), **moments(found[1], "observed")}

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish: (1,); NaN with fewer than two videos."""
        return frechet_distance(sums, "forecast", "observed")


def features(video: npt.NDArray[Any], weights: i3d.Weights, device: Any) -> npt.NDArray[np.float32]:
    """What I3D sees in one video in [0, 1]: (S, C, H, W) -> (1, D)."""
    import torch
    from torch.nn import functional as F

    with full_float32(device):
        x = torch.tensor(video, dtype=torch.float32, device=device).expand(-1, 3, -1, -1)
        x = F.interpolate(x, size=(i3d.SIDE, i3d.SIDE), mode="bilinear", align_corners=False) * 2 - 1
        found = i3d.logits(x.transpose(0, 1)[None], weights)
    return np.asarray(found.cpu().numpy())


def make(weights: Path | None, expected_sha256: str | None) -> Fvd:
    """Make the score from the settings.

    Raises:
        MissingWeightsError: no file is named.
        SettingsError: a file without its SHA-256; the message names the one it has.
        FileError: the named file is absent.
    """
    if weights is None:
        raise MissingWeightsError(
            "fvd: no I3D weights are named, and no package carries any; set 'fvd' to a PyTorch state "
            "dictionary of RGB I3D trained on Kinetics-400 (rgb_imagenet.pt has the names) and 'fvd_sha256' "
            "to its checksum"
        )
    if not weights.is_file():
        raise FileError(f"fvd: got {weights}, expected a file of I3D weights; correct the path")
    if expected_sha256 is None:
        raise SettingsError(
            f"fvd_sha256: missing, expected the SHA-256 that {weights} should have; it has {sha256(weights)}"
        )
    return Fvd(weights, expected_sha256)

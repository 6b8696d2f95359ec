"""What can be set of VPN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nowcast.core.errors import SettingsError, complain


@dataclass(frozen=True)
class VPNSettings:
    """Settings of VPN; the defaults are the sizes of the paper, with the decoder of its baseline."""

    decoder: Literal["baseline", "pixelcnn"] = "baseline"
    """``baseline``: all pixels of a frame at once, independent given the frames before; ``pixelcnn``: one
    pixel after the other, each given those before it in its frame, too."""
    channels: int = 128
    """K: of the multiplicative units; maps between blocks and the ConvLSTM have twice as many."""
    encoder_blocks: int = 8
    decoder_blocks: int = 12
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    """Of the encoder's blocks in turn; [1] for none."""
    first_block: Literal["added", "joined"] = "added"
    """How the ``pixelcnn`` decoder reads the frame: ``added`` to the context by a masked 7 x 7 convolution;
    ``joined`` to it as more channels, which a public re-implementation does."""
    pixels: Literal["drawn", "expected"] = "drawn"
    """What the ``pixelcnn`` decoder makes of a chance of ink: ``drawn`` is ink or none by that chance,
    ``expected`` the chance itself as a grey value, with nothing random about it."""
    seed: int = 0
    """Of what `forward` draws."""
    teacher_forced: bool = True
    """Train every forecast on the true frames before it, in one pass, as the likelihood asks; false reads
    the network's own forecasts (and scheduled sampling's frames), as in use."""
    save_memory: bool = False
    """Training only: compute activations again in the backward pass instead of keeping them."""

    def __post_init__(self) -> None:
        for name in ("channels", "encoder_blocks", "decoder_blocks"):
            if getattr(self, name) < 1:
                raise SettingsError(complain(name, getattr(self, name), "1 or more", "take the default"))
        if not self.dilations or min(self.dilations) < 1:
            raise SettingsError(
                complain("dilations", list(self.dilations), "one or more numbers from 1 on", "[1] for none")
            )
        if self.decoder == "pixelcnn":
            self._check_pixelcnn()

    def _check_pixelcnn(self) -> None:
        if self.decoder_blocks < 3:
            raise SettingsError(
                complain("decoder_blocks", self.decoder_blocks, "3 or more with pixelcnn", "take 3")
            )
        if not self.teacher_forced:
            expected = "true with pixelcnn, whose drawn pixels have no gradient"
            raise SettingsError(complain("teacher_forced", False, expected, "leave it out"))

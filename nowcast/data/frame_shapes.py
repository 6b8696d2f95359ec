"""Whether frames of several sources can make clips together, and how large these are."""

from __future__ import annotations

from collections.abc import Sequence

from nowcast.core.errors import SettingsError, TimeError
from nowcast.data.source import FrameSource


def check_shapes(sources: Sequence[FrameSource], crop: tuple[int, int] | None) -> tuple[int, int]:
    """Return rows and columns of a clip: those of the crop, else of the frames.

    Raises:
        TimeError: steps differ.
        SettingsError: no sources, channels or frames that differ, a crop larger than a frame.
    """
    if not sources:
        raise SettingsError("data: got no sources, expected at least one; look at the paths and periods")
    lead = sources[0]
    for source in sources:
        channels, height, width = source.frame_shape
        if source.step != lead.step:
            raise TimeError(
                f"data: '{source.name}' has a step of {source.step}, expected {lead.step} as "
                f"'{lead.name}'; train on sources of one step, those of a shorter one with step_minutes"
            )
        if channels != lead.frame_shape[0]:
            raise SettingsError(
                f"data: '{source.name}' has {channels} channels, expected {lead.frame_shape[0]} as "
                f"'{lead.name}'; read all in gray or all in colour"
            )
        if crop is None and source.frame_shape != lead.frame_shape:
            raise SettingsError(
                f"data: '{source.name}' has frames of {height} x {width}, expected "
                f"{lead.frame_shape[1]} x {lead.frame_shape[2]} as '{lead.name}'; set a crop or a size"
            )
        if crop is not None and (min(crop) < 1 or crop[0] > height or crop[1] > width):
            raise SettingsError(
                f"data: got a crop of {crop[0]} x {crop[1]}, expected at most {height} x {width}, the "
                f"frames of '{source.name}'; choose a smaller crop"
            )
    return crop if crop is not None else lead.frame_shape[1:]

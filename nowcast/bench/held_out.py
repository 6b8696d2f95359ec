"""The test clips of a benchmark: named and measured from the start, readable only after training is over."""

from __future__ import annotations

from collections.abc import Sequence

from nowcast.bench.benchmark import Benchmark
from nowcast.core.errors import NowcastError, SettingsError, complain
from nowcast.data.catalog import build_sources
from nowcast.data.clips import VideoDataset
from nowcast.data.source import FrameArray, FrameSource, SourceWrapper
from nowcast.data.splits import parse_periods
from nowcast.data.training_data import TrainingData, parted


class TestSplitError(NowcastError):
    """A frame of the test split was asked for while something is still to be trained."""

    __test__ = False  # not a test of pytest


class Seal:
    """Closed while anything trains."""

    def __init__(self) -> None:
        self.closed = True


class SealedSource(SourceWrapper):
    """A frame source that tells what it holds, but gives no frame while its seal is closed."""

    def __init__(self, source: FrameSource, seal: Seal) -> None:
        super().__init__(source)
        self._seal = seal

    def read(self, first: int, count: int, rows: slice, columns: slice) -> FrameArray:
        """Read as the source does.

        Raises:
            TestSplitError: the seal is closed.
        """
        if self._seal.closed:
            raise TestSplitError(
                f"{self.name}: got a read of test frames during training, expected none; this is a mistake in "
                "the program: the test split is for the end"
            )
        return self._source.read(first, count, rows, columns)


class HeldOut:
    """Test clips behind a seal that `unseal` breaks, once, when all training is over.

    Why they are opened early at all: that a source is missing, too short, of another size or shared with
    training must be reported before days of training, and none of it takes a frame.

    Args:
        bench: names what is tested on.
        learned: clips of training and validation, to be told apart from and to be like; None trains nothing.

    Raises:
        NowcastError: test sources that are not there, hold no whole window, have other channels, sizes or
            steps than training, or videos that training or validation has.
    """

    def __init__(self, bench: Benchmark, learned: TrainingData | None) -> None:
        self._seal = Seal()
        sources = self._sources(bench)
        sealed = [SealedSource(source, self._seal) for source in sources]
        self.clips = VideoDataset(sealed, bench.test_window, crop=bench.data.crop, train=False)
        if learned is not None:
            if bench.test_sources:
                _check_videos(sources, [*learned.train.sources, *learned.validation.sources])
            _check_like(self.clips, learned.train)
        count = min(len(self.clips), bench.test_clips or len(self.clips))
        self.chosen = [i * len(self.clips) // count for i in range(count)]
        """Indices of the clips that are scored, spread evenly and the same every time."""

    def unseal(self) -> None:
        """Let the test clips be read; from here on nothing may be trained."""
        self._seal.closed = False

    @property
    def sealed(self) -> bool:
        """Whether test clips cannot be read yet."""
        return self._seal.closed

    def _sources(self, bench: Benchmark) -> list[FrameSource]:
        if bench.test_sources:
            return build_sources([vars(s) for s in bench.test_sources], bench.data.scaling, "test_sources")
        whole = build_sources([vars(s) for s in bench.data.sources], bench.data.scaling)
        return parted(whole, parse_periods(bench.data.test, "data.test"), "data.test", bench.data.test)


def _check_like(test: VideoDataset, train: VideoDataset) -> None:
    mine, other = (
        f"{clips.channels} channels of {clips.size[0]} x {clips.size[1]} every {clips.step}"
        for clips in (test, train)
    )
    if mine != other:
        raise SettingsError(complain("test_sources", mine, f"{other} as in training", "use like sources"))


def _check_videos(test: Sequence[FrameSource], learned: Sequence[FrameSource]) -> None:
    """Refuse a video that is both tested and learned on: the same name, or the same known content."""
    names = {source.name: _content(source) for source in learned}
    contents = {content for content in names.values() if content is not None}
    for source in test:
        content = _content(source)
        alike = source.name in names and (content is None or names[source.name] in (None, content))
        if alike or content in contents:
            raise SettingsError(
                complain(
                    "test_sources",
                    f"'{source.name}', which training or validation has too",
                    "each video in one part",
                    "choose other videos",
                )
            )


def _content(source: FrameSource) -> str | None:
    return getattr(source, "fingerprint", None)

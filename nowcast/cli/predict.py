"""`nowcast predict`: a video and a trained network in, the coming frames out as film, sheet or arrays."""

from __future__ import annotations

import argparse
from pathlib import Path

from nowcast.cli.device_argument import add_device_argument, device_of
from nowcast.cli.help_page import HelpPage
from nowcast.core.errors import SettingsError, complain

HELP = HelpPage(
    """Forecasts one video with a checkpoint that 'nowcast train' or 'nowcast bench' made of videos: a
video file, a folder with the pictures of its frames, or an array in .npy or .npz. Colour, size and step
of the frames are those that the network was trained on. Where the video goes on, the forecast stands
beside the truth. Radar is forecast by 'nowcast forecast'.""",
    examples=(
        (
            "nowcast predict walk.avi --model runs/kth_lmc/v0/best.ckpt --out walk.gif",
            "a film, the first frames given",
        ),
        (
            "nowcast predict walk.avi --model runs/kth_lmc/v0/best.ckpt --start -10 --steps 40 --out walk.png",
            "beyond the end of the video, as a sheet",
        ),
        (
            "nowcast predict frames/ --model runs/bench/own/runs/predrnn_seed0/v0/best.ckpt --out next.npz",
            "from pictures, as arrays",
        ),
    ),
    again="no file is written; run the same command again",
    see=("nowcast train", "nowcast bench", "nowcast forecast", "docs/howto/videos.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "video",
        type=Path,
        metavar="VIDEO",
        help="a video file, a folder of pictures with frame numbers, an .npy or .npz of (frames, rows, columns"
        "[, colours])",
    )
    parser.add_argument(
        "--model", type=Path, required=True, metavar="CKPT", help="a checkpoint that was trained on videos"
    )
    parser.add_argument("--past", type=int, metavar="N", help="frames that are given; without, as in training")
    parser.add_argument("--steps", type=int, metavar="N", help="frames to forecast; without, as in training")
    parser.add_argument(
        "--start",
        type=int,
        default=0,
        metavar="N",
        help="number of the first frame that is given, from the end if below 0 (default 0)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="of a network with a future for each seed: which; without, that of its settings",
    )
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        metavar=("ROWS", "COLUMNS"),
        help="resize the frames to this; without, as in training",
    )
    add_device_argument(parser, "")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="file to write; its end says what: a film in .gif or .mp4, a sheet in .png, arrays in .npz, .zarr",
    )


def run(args: argparse.Namespace) -> int:
    """Forecast the video and write what the end of the name says."""
    for name in ("past", "steps"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise SettingsError(complain(f"--{name}", value, "1 or more", "change it"))
    if args.seed is not None and not 0 <= args.seed < 2**63:
        raise SettingsError(complain("--seed", args.seed, "0 or more, below 2^63", "change it"))
    if args.size is not None and min(args.size) < 1:
        raise SettingsError(complain("--size", args.size, "rows and columns of 1 or more", "change it"))
    _check_name(args.model)
    from nowcast.workflows.predict_video import (
        check_format,
        load_video_network,
        predict_video,
        write_video_forecast,
    )

    check_format(args.out)
    device = device_of(args)
    found = predict_video(
        args.video,
        args.model,
        load_video_network(args.model),
        past=args.past,
        steps=args.steps,
        start=args.start,
        seed=args.seed,
        device=device,
        size=None if args.size is None else (args.size[0], args.size[1]),
        progress=True,
    )
    write_video_forecast(args.out, found)
    given, made = found.clip.past.shape[1], found.clip.prediction.shape[1]
    first = found.attributes["first_frame"]
    beside = "" if found.clip.truth is not None else ", without the truth: the video does not go on so far"
    print(f"{made} frames after frames {first} to {first + given - 1} of {found.name}{beside}")
    print(f"written: {args.out}")
    return 0


def _check_name(model: Path) -> None:
    """Refuse a network of the package by its name: all of them are of radar."""
    from nowcast.forecasters.registry import packaged_names

    if not model.exists() and str(model) in packaged_names():
        remedy = f"forecast radar with 'nowcast forecast --archive ARCHIVE --model {model}'"
        raise SettingsError(complain("--model", model, "a checkpoint that was trained on videos", remedy))

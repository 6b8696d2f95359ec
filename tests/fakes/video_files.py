"""Video files whose every pixel we know, and tiny trees laid out as KTH and Human3.6M are."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.fakes.videos import write_video

ACTIONS = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")


def write_avi(path: Path, frames, fps=25, codec="ffv1", times=None):
    """Write uint8 frames (T, H, W[, 3]) without loss; ``times`` are frame numbers, where some are left out."""
    gray = frames.ndim == 3
    form, layout = ("gray", "gray") if gray else ("rgb24", "bgr0")
    layout = {"mpeg4": "yuv420p", "libx264rgb": "rgb24"}.get(codec, layout)
    return _write(path, frames, fps, codec, form, layout, times)


def write_mp4(path: Path, frames, fps=25, times=None):
    """Write uint8 RGB frames (T, H, W, 3) as lossless H.264."""
    return _write(path, frames, fps, "libx264rgb", "rgb24", "rgb24", times)


def write_uneven_mp4(path: Path, frames, milliseconds):
    """Write gray frames (T, H, W) at these times, each a key frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=1000)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.time_base = "yuvj444p", Fraction(1, 1000)
        for pixels, time in zip(frames, milliseconds, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="gray")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def break_frame(path: Path, number: int):
    """Overwrite the compressed bytes of one frame with zeros, as a bad sector does."""
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][number]
        start, end = packet.pos + 4, packet.pos + packet.size
    content = path.read_bytes()
    path.write_bytes(content[:start] + bytes(end - start) + content[end:])
    return path


def take_out_frame(path: Path, number: int):
    """Take one frame out of an AVI with its entry in the index; the head goes on declaring it."""
    content = path.read_bytes()
    movi, index = content.index(b"movi"), content.index(b"idx1")
    chunks, at = [], movi + 4
    while at < index:
        size = struct.unpack("<I", content[at + 4 : at + 8])[0]
        chunks.append(content[at : at + 8 + size + size % 2])
        at += len(chunks[-1])
    body = b"".join(chunk for n, chunk in enumerate(chunks) if n != number)
    entries, place = b"", 4
    for n, chunk in enumerate(chunks):
        if n != number:
            flags = content[index + 8 + 16 * n + 4 : index + 8 + 16 * n + 8]
            size = struct.unpack("<I", chunk[4:8])[0]
            entries += chunk[:4] + flags + struct.pack("<II", place, size)
            place += len(chunk)
    head = content[: movi - 4] + struct.pack("<I", len(body) + 4) + b"movi"
    whole = head + body + b"idx1" + struct.pack("<I", len(entries)) + entries
    path.write_bytes(whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:])
    return path


def lay_mp4(path: Path, a, b, c, d):
    """Write the display matrix of an MP4: column' = a column + c row, row' = b column + d row."""
    content = path.read_bytes()
    at = content.index(b"tkhd") + 44
    matrix = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(content[:at] + matrix + content[at + 36 :])
    return path


def _write(path, frames, fps, codec, form, layout, times):
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = layout
        if codec == "libx264rgb":
            stream.options = {"qp": "0", "preset": "ultrafast"}
        if codec == "mpeg4":
            stream.options = {"qmin": "2", "qmax": "2"}
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=form)
            frame.pts = index if times is None else times[index]
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def blob(count, size=(12, 16), start=0, colour=False):
    """A bright square that walks a pixel a frame over a dark ramp; every frame is another one."""
    rows, columns = size
    frames = np.empty((count, rows, columns), np.uint8)
    for index in range(count):
        frames[index] = 10 + 2 * np.arange(columns)
        left = (start + index) % (columns - 3)
        frames[index, 4:8, left : left + 4] = 200 + (start + index) % 50
    return np.stack([frames, frames[:, :, ::-1], 255 - frames], axis=-1) if colour else frames


def kth_name(person, action, scenario=1):
    return f"person{person:02d}_{action}_d{scenario}"


def write_kth(
    root: Path,
    persons=range(1, 26),
    actions=("walking",),
    layout="folders",
    frames=24,
    size=(12, 16),
    ranges=None,
):
    """Write a KTH: ``layout`` is folders (one an action), flat, or frames (as pictures).

    Layout mp4 is folders of films that were encoded anew; ``ranges`` maps names to text such as
    ``1-8, 9-20`` and makes 00sequences.txt.
    """
    for person in persons:
        for action in actions:
            name = kth_name(person, action)
            pictures = blob(frames, size, start=person)
            if layout == "frames":
                write_video(root / action / f"{name}_uncomp", pictures)
            else:
                folder = root if layout == "flat" else root / action
                if layout == "mp4":
                    write_mp4(folder / f"{name}.mp4", np.stack([pictures] * 3, axis=-1))
                else:
                    write_avi(folder / f"{name}_uncomp.avi", pictures)
    if ranges is not None:
        lines = [f"{name}\t\tframe\t{text}\r\n" for name, text in ranges.items()]
        (root / "00sequences.txt").write_text("The video sequences:\r\n\r\n" + "".join(lines), newline="")
    return root


def write_human36m(
    root: Path,
    subjects=("S1", "S5", "S6", "S7", "S8", "S9", "S11"),
    scenarios=("Walking 1",),
    cameras=("54138969",),
    layout="mp4",
    frames=40,
    size=(24, 32),
    every=1,
):
    """Write a Human3.6M: ``layout`` is mp4 as published, frames (every n-th, named by its number) or flat."""
    for number, subject in enumerate(subjects):
        for scenario in scenarios:
            for camera in cameras:
                pictures = blob(frames, size, start=number, colour=True)
                if layout == "mp4":
                    write_mp4(root / subject / "Videos" / f"{scenario}.{camera}.mp4", pictures, fps=50)
                elif layout == "flat":
                    film = f"{subject}_{scenario.replace(' ', '_')}.{camera}"
                    write_video(root, pictures[::every], range(1, frames + 1, every), film + "_{:06d}.png")
                else:
                    folder = root / subject / scenario.replace(" ", "-") / camera
                    write_video(folder, pictures[::every], numbers=range(1, frames + 1, every))
    return root


def write_moving_mnist(path: Path, sequences=5, length=20, size=(64, 64)):
    """Write frames that hold 10 * sequence + frame everywhere, and their row number in column 0."""
    frames = np.empty((length, sequences, *size), np.uint8)
    frames[...] = 10 * np.arange(sequences)[:, None, None] + np.arange(length)[:, None, None, None]
    frames[..., 0] = np.arange(size[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, frames)
    return path

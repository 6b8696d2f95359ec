"""Surveys of films and pictures: KTH, Human3.6M, KITTI, Caltech, folders of any videos."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nowcast.core.errors import FileError
from nowcast.data import caltech, human36m, kitti, kth
from nowcast.data.clip_list import read_clip_list
from nowcast.data.published_split import of_part
from nowcast.data.raw_videos import VIDEO_SUFFIXES, RawVideo, find_videos
from nowcast.data.survey import Group, Survey, absent_of_product, shortly
from nowcast.data.video_files import absent_of, part_of_folder, read_names

_LIST = re.compile(r"(train|valid|val|test).*\.txt|.*list.*\.txt", re.IGNORECASE)
_KTH_LACKS = (("13", "handclapping", "3"),)
"""Nobody has it: 00sequences.txt marks it as missing."""


def survey_kth(root: Path) -> Survey | None:
    """KTH, by person, action and scenario."""
    videos = _named(find_videos(root), kth.video_name)
    if not videos:
        return None
    found = {video.name: re.split(r"person|_d|_", video.name.rsplit("/", 1)[1])[1:] for video in videos}
    groups = (
        Group(
            "person", {n: f[0] for n, f in found.items()}, tuple(f"{p:02d}" for p in (*kth.TRAIN, *kth.TEST))
        ),
        Group("action", {n: f[1] for n, f in found.items()}, kth.ACTIONS),
        Group("scenario", {n: f[2] for n, f in found.items()}, ("1", "2", "3", "4")),
    )
    settings = kth.KthSettings(root)
    parts = {
        name: part_of_person(int(fields[0]), settings.validation_persons) for name, fields in found.items()
    }
    absent = [f"person{p}_{a}_d{s}" for p, a, s in absent_of_product(groups, _KTH_LACKS)]
    missing = [f"{len(absent)} films: {shortly(absent)}"] if absent else []
    faults, notes = _ranges(root / kth.SEQUENCES, set(found))
    if not (root / kth.SEQUENCES).is_file():
        missing.append(f"{kth.SEQUENCES}: without it whole videos are taken")
    return Survey("kth", _form("KTH", videos), videos, parts, groups, tuple(missing), faults, notes)


def part_of_person(person: int, validation: Sequence[int]) -> str:
    """Return the part of a person of KTH."""
    if person in kth.TEST:
        return "test"
    return "validation" if person in validation else "train"


def _ranges(path: Path, names: set[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not path.is_file():
        return (), ()
    try:
        listed = kth.read_sequences(path)
    except FileError as error:
        return (str(error),), ()
    known = {name.rsplit("/", 1)[1] for name in names}
    lacking = len(known - set(listed))
    ranges = sum(len(found) for found in listed.values())
    note = f"{path.name}: {ranges} ranges of {len(listed)} films"
    return (), (f"{note}, {lacking} films here are not in it and taken whole" if lacking else note,)


def survey_human36m(root: Path) -> Survey | None:
    """Human3.6M, by subject, scenario and camera, with the lists of OpenSTL."""
    videos = _named(find_videos(root, human36m.film_of_picture), human36m.name_of_video)
    if not videos:
        return None
    subjects = (*human36m.TRAIN, *human36m.TEST)
    found = {v.name: re.split(r"/|\.", v.name) for v in videos}
    groups = (
        Group("subject", {n: f[0] for n, f in found.items()}, subjects),
        Group("scenario", {n: f[1].split(" ")[0] for n, f in found.items()}, human36m.SCENARIOS),
        Group("camera", {n: f[2] for n, f in found.items()}, human36m.CAMERAS),
    )
    settings = human36m.Human36mSettings(root)
    parts = {
        name: part
        for part in ("train", "validation", "test")
        for name, fields in found.items()
        if fields[0] in of_part(part, human36m.TRAIN, settings.validation_subjects, human36m.TEST)
    }
    absent = [f"{s}/{a}.{c}" for s, a, c in absent_of_product(groups)]
    missing = (f"{len(absent)} films: {shortly(absent)}",) if absent else ()
    faults, notes = _clip_lists(root, videos)
    return Survey("human36m", _form("Human3.6M", videos), videos, parts, groups, missing, faults, notes)


def _clip_lists(root: Path, videos: Sequence[RawVideo]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    faults, notes = [], []
    numbers = {video.name: {number for number, _ in video.pictures} for video in videos}
    for path in _lists(root):
        try:
            listed = read_clip_list(path, human36m.film_name)
        except FileError as error:
            faults.append(str(error))
            continue
        notes.append(f"{path.name}: {sum(map(len, listed.values()))} clips of {len(listed)} films")
        absent = [f"{name} at {n}" for name, ns in listed.items() for n in ns if not _there(numbers, name, n)]
        if absent:
            faults.append(f"{path.name}: {len(absent)} clips start at what is not there: {shortly(absent)}")
    return tuple(faults), tuple(notes)


def _there(numbers: Mapping[str, set[int]], name: str, number: int) -> bool:
    """Whether a film is there, and of pictures the one with this number."""
    return name in numbers and (not numbers[name] or number in numbers[name])


def survey_kitti(root: Path) -> Survey | None:
    """KITTI, by recording and camera, or PredNet's stacks."""
    videos = tuple(kitti.find_recordings(root))
    if not videos:
        return None
    settings = kitti.KittiSettings(root)
    parts = {video.name: settings.part_of(video.name) for video in videos}
    if videos[0].stack is not None:
        absent = tuple(f"X_{n}.hkl" for n, part in kitti.STACKS.items() if part not in parts.values())
        return Survey("kitti", "KITTI in PredNet's stacks", videos, parts, missing=absent)
    drives = Group("recording", {v.name: v.name.split("/")[1] for v in videos})
    cameras = Group("camera", {v.name: v.name.rsplit("/", 1)[1] for v in videos})
    lacking = [r for r in (*kitti.VALIDATION, *kitti.TEST) if r not in drives.there]
    missing = (f"recordings of the published split: {', '.join(lacking)}",) if lacking else ()
    return Survey("kitti", "KITTI as pictures", videos, parts, (drives, cameras), missing)


def survey_caltech(root: Path) -> Survey | None:
    """Caltech's pedestrians, by set."""
    videos = _named(find_videos(root), caltech.film_name)
    unread = sum(1 for _ in root.rglob("V[0-9][0-9][0-9].seq")) if root.is_dir() else 0
    if not videos and not unread:
        return None
    sets = Group("set", {v.name: v.name.split("/")[0] for v in videos}, (*caltech.TRAIN, *caltech.TEST))
    validation = caltech.CaltechSettings(root).validation_sets
    parts = {
        name: "test" if one in caltech.TEST else "validation" if one in validation else "train"
        for name, one in sets.of.items()
    }
    faults = (f"{unread} .seq files: make them films or pictures first",) if unread else ()
    return Survey("caltech", _form("Caltech's pedestrians", videos), videos, parts, (sets,), faults=faults)


def survey_video_files(root: Path) -> Survey | None:
    """Any videos, in folders of parts or of categories, with lists of them."""
    is_video = root.is_dir() or root.suffix.lower() in VIDEO_SUFFIXES
    videos = tuple(find_videos(root)) if is_video else ()
    if not videos:
        return None
    folders = {v.name: v.name.split("/", 1)[0] for v in videos}
    parts = {name: part for name, folder in folders.items() if (part := part_of_folder(folder)) is not None}
    layout = _form("folders of parts" if parts else "any videos", videos)
    categories = {
        v.name: within.split("/", 1)[0]
        for v in videos
        if "/" in (within := v.name.partition("/")[2] if v.name in parts else v.name)
    }
    groups = (Group("category", categories),) if categories else ()
    absent = [p for p in ("train", "validation", "test") if parts and p not in parts.values()]
    faults, notes = [], []
    for path in _lists(root):
        names = read_names(path)
        lacking = absent_of(names, list(folders))
        notes.append(f"{path.name}: {len(names)} videos")
        if lacking:
            faults.append(f"{path.name}: {len(lacking)} of {len(names)} are not there: {shortly(lacking)}")
    missing = tuple(f"a folder of the part '{part}'" for part in absent)
    return Survey("video_files", layout, videos, parts, groups, missing, tuple(faults), tuple(notes))


def _lists(root: Path) -> list[Path]:
    return (
        [p for p in sorted(root.iterdir()) if p.is_file() and _LIST.fullmatch(p.name)] if root.is_dir() else []
    )


def _named(found: Sequence[RawVideo], name_of: Callable[[RawVideo], str | None]) -> tuple[RawVideo, ...]:
    """Give videos the names of a set; one that is there twice is taken once."""
    named = {name: replace(video, name=name) for video in found if (name := name_of(video)) is not None}
    return tuple(named[name] for name in sorted(named))


def _form(what: str, videos: Sequence[RawVideo]) -> str:
    pictures = sum(bool(video.pictures) for video in videos)
    if not videos:
        return what
    form = "pictures" if pictures == len(videos) else "video files and pictures" if pictures else "video files"
    return f"{what}, as {form}"

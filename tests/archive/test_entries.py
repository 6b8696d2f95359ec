"""Entries of a ledger by hand: which file is known, done, and of which kind."""

import numpy as np
import pytest

from nowcast.archive.entries import Entries, Source
from nowcast.core.errors import ArchiveError


def entry(name, sha256, frames=1, **more):
    return {
        "name": name,
        "size": 1,
        "mtime_ns": 2,
        "sha256": sha256,
        "reader": "odim_h5",
        "frames": frames,
        **more,
    }


def test_of_two_copies_of_a_file_the_first_is_known():
    found = Entries([entry("a", "1"), entry("b", "2"), entry("c", "1")])
    assert [found.place(sha256) for sha256 in ("1", "2", "3")] == [0, 1, None]
    found.append(Source("d", 1, 2, "2", "odim_h5", 1))
    found.append(Source("e", 1, 2, "3", "odim_h5", 1))
    assert [found.place(sha256) for sha256 in ("1", "2", "3")] == [0, 1, 4]
    assert [source.name for source in found.named({"c", "d"})] == ["c", "d"]
    assert (found[-1].name, [source.name for source in found[1:3]]) == ("e", ["b", "c"])


def test_a_file_is_done_when_all_its_frames_are_there_and_it_was_read_to_its_end():
    held = [entry("whole", "1", 2), entry("killed", "2", 2), entry("half", "3", 1, complete=False)]
    done = Entries([*held, entry("twice", "4", 1, problems=["x"])]).done(np.array([2, 1, 1, 2]))
    assert [source.name for source in done] == ["whole", "twice"]
    assert [source.name for source in done.without_problems()] == ["whole"]
    assert done[1].problems == ("x",)


def test_one_entry_for_each_kind_that_frames_were_taken_from():
    held = [
        entry("a", "1", quantity="DBZH"),
        entry("b", "2", quantity="DBZH"),
        entry("c", "3", quantity="RATE", z_r_relation="fmi"),
        entry("empty", "4", 0, quantity="TH"),
    ]
    assert [(s.name, s.quantity) for s in Entries(held).kinds()] == [("b", "DBZH"), ("c", "RATE")]


@pytest.mark.parametrize("broken", [{"name": "a"}, "text", entry("a", "1", "2")])
def test_what_is_no_entry_is_told_with_its_place(broken):
    for ask in (lambda found: found[0], lambda found: found.done(np.array([1]))):
        with pytest.raises(ArchiveError, match=r"^sources\.json: not a list of files"):
            ask(Entries([broken], "sources.json"))


def test_a_digest_that_is_none_is_told():
    with pytest.raises(ArchiveError, match="an entry with another sha256"):
        Entries([entry("a", 7)]).place("1")

"""Settings: unknown keys refused, types kept, overrides by dotted name."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from nowcast.core.errors import SettingsError
from nowcast.core.settings import build, formerly, override, plain, read_layered, read_yaml


@dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Outer:
    steps: int
    inner: Inner = field(default_factory=Inner)
    sizes: tuple[int, ...] = (1, 2)
    place: Path | None = None
    extra: dict[str, float] = field(default_factory=dict)
    anything: Any = None
    flag: bool = False


def test_values_arrive_typed_and_go_back_plain():
    made = build(Outer, {"steps": 3, "inner": {"rate": 1}, "sizes": [4, 5], "place": "x/y", "extra": {"a": 2}})
    assert made == Outer(3, Inner(1.0), (4, 5), Path("x/y"), {"a": 2.0})
    assert isinstance(made.inner.rate, float)
    assert plain(made) == {
        "steps": 3,
        "inner": {"rate": 1.0, "kind": "a"},
        "sizes": [4, 5],
        "place": "x/y",
        "extra": {"a": 2.0},
        "anything": None,
        "flag": False,
    }
    assert build(Outer, plain(made)) == made


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "steps: missing"),
        ({"steps": 1, "stpes": 2}, "stpes: unknown setting; did you mean 'steps'"),
        ({"steps": 1.5}, "steps: got 1.5, expected int"),
        ({"steps": True}, "steps: got True"),
        ({"steps": 1, "inner": {"kind": "c"}}, "inner.kind: got 'c', expected one of a, b"),
        ({"steps": 1, "inner": {"rat": 1}}, "inner.rat: unknown"),
        ({"steps": 1, "inner": 5}, "inner: got 5, expected a group"),
        ({"steps": 1, "sizes": "12"}, "sizes: got '12', expected a list"),
        ({"steps": 1, "sizes": [1, "x"]}, r"sizes\[1\]: got 'x'"),
        ({"steps": 1, "extra": {"a": "x"}}, "extra.a: got 'x'"),
        ({"steps": 1, "flag": 1}, "flag: got 1"),
    ],
)
def test_what_does_not_fit_is_told_by_its_dotted_name(values, words):
    with pytest.raises(SettingsError, match=words):
        build(Outer, values)


@dataclass(frozen=True)
class Numbers:
    share: float = 0.5
    shares: tuple[float, ...] = ()
    named: dict[str, float] = field(default_factory=dict)
    precision: Literal["32", "bf16"] = "32"
    step: Literal["0.5", "1e-3"] = "0.5"
    sides: tuple[int, int] = (1, 2)


@pytest.mark.parametrize("sides", [[], [3], [3, 4, 5]])
def test_a_pair_has_two_values(sides):
    assert build(Numbers, {"sides": [3, 4]}).sides == (3, 4)
    with pytest.raises(SettingsError, match=f"sides: got {len(sides)} values, expected 2"):
        build(Numbers, {"sides": sides})


@pytest.mark.parametrize(
    ("assignment", "name", "value"),
    [
        ("precision=32", "precision", "32"),
        ("precision=bf16", "precision", "bf16"),
        ("precision='32'", "precision", "32"),
        ("step=0.5", "step", "0.5"),
        ("step=1e-3", "step", "1e-3"),
        ("share=1e9", "share", 1e9),
        ("share=-2.5E-3", "share", -0.0025),
        ("share=.5", "share", 0.5),
        ("share=7", "share", 7.0),
        ("shares=[1e3, 2]", "shares", (1000.0, 2.0)),
        ("named={a: 1e2}", "named", {"a": 100.0}),
    ],
)
def test_what_yaml_reads_as_another_type_arrives_as_meant(assignment, name, value):
    found = getattr(build(Numbers, override({}, [assignment])), name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("precision=16", "precision: got 16, expected one of 32, bf16"),
        ("precision=32.0", "precision: got 32.0, expected"),
        ("precision=true", "precision: got True"),
        ("share=.inf", "share: got inf, expected a finite number"),
        ("share=.nan", "share: got nan"),
        ("share=1e999", "share: got inf"),
        ("share=nan", "share: got 'nan', expected float"),
        ("share=inf", "share: got 'inf'"),
        ("share=1_0e1x", "share: got '1_0e1x'"),
        ("share=e9", "share: got 'e9'"),
        ("shares=[1, .inf]", "shares: got inf"),
        ("named={a: -.inf}", "named: got -inf"),
        ("share=1" + "0" * 400, "the number 10000000000000000000... is too large"),
        ("share=" + "1" * 5000, "the value is not YAML"),
    ],
)
def test_numbers_that_are_none_are_refused(assignment, words):
    with pytest.raises(SettingsError, match=words):
        build(Numbers, override({}, [assignment]))


def test_overrides_do_not_change_what_they_are_given():
    values = {"steps": 1, "inner": {"rate": 0.5}}
    changed = override(values, ["inner.rate=0.25", "steps=7", "sizes=[3]", "new.group.key=x"])
    assert changed == {"steps": 7, "inner": {"rate": 0.25}, "sizes": [3], "new": {"group": {"key": "x"}}}
    assert values == {"steps": 1, "inner": {"rate": 0.5}}
    for wrong in ("steps", "=1", "steps.x=1", "steps=[1"):
        with pytest.raises(SettingsError, match="--set"):
            override(values, [wrong])


def test_yaml_files(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("steps: 3\n")
    assert read_yaml(path) == {"steps": 3}
    path.write_text("- 1\n")
    with pytest.raises(SettingsError, match="got list"):
        read_yaml(path)
    path.write_text("a: [1\n")
    with pytest.raises(SettingsError, match="not a YAML file"):
        read_yaml(path)
    path.write_text("!!python/object/apply:os.system ['true']")
    with pytest.raises(SettingsError, match="not a YAML file"):
        read_yaml(path)
    with pytest.raises(SettingsError, match="no such configuration"):
        read_yaml(tmp_path / "absent.yaml")


def test_a_file_stands_on_its_base(tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "all.yaml").write_text("a: {b: 1, c: [1, 2]}\nd: 4\n")
    (tmp_path / "own.yaml").write_text("base: base/all.yaml\na: {c: [3]}\ne: 5\n")
    assert read_layered(tmp_path / "own.yaml") == {"a": {"b": 1, "c": [3]}, "d": 4, "e": 5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: a.yaml\n", "its own base"),
        ("base: 3\n", "got 3"),
        ("base: none.yaml\n", "no such configuration"),
    ],
)
def test_a_base_that_cannot_be_is_refused(tmp_path, text, message):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(SettingsError, match=message):
        read_layered(tmp_path / "a.yaml")


@dataclass(frozen=True)
class Renamed:
    flips_and_rotations: bool = field(default=True, metadata=formerly("turns"))


def test_a_setting_is_still_read_under_its_former_name():
    assert build(Renamed, {"turns": False}) == Renamed(False)
    assert plain(Renamed(False)) == {"flips_and_rotations": False}
    assert plain(Renamed(False), first_names=True) == {"turns": False}


@dataclass(frozen=True)
class Renamings:
    data: Renamed = field(default_factory=Renamed, metadata=formerly("frames"))
    head: Renamed | None = None


def test_former_names_are_read_in_groups_layers_and_assignments(tmp_path):
    (tmp_path / "base.yaml").write_text("data: {flips_and_rotations: true}\nhead: {turns: true}\n")
    (tmp_path / "own.yaml").write_text("base: base.yaml\nframes: {turns: false}\n")
    values = read_layered(tmp_path / "own.yaml", Renamings)
    assert values == {"data": {"flips_and_rotations": False}, "head": {"flips_and_rotations": True}}
    given = override({"frames": {"turns": True}}, ["head.turns=false", "data.turns=false"], Renamings)
    assert given == {"data": {"flips_and_rotations": False}, "head": {"flips_and_rotations": False}}
    assert build(Renamings, given) == Renamings(Renamed(False), Renamed(False))


def test_a_setting_under_both_names_is_refused():
    with pytest.raises(SettingsError, match="flips_and_rotations: given twice"):
        build(Renamed, {"turns": False, "flips_and_rotations": True})


@pytest.mark.parametrize("number", ["2", "3", "-1", "x"])
def test_only_entries_that_a_list_has_are_overridden(number):
    given = {"sources": [{"path": "a"}, {"path": "b"}]}
    assert override(given, ["sources.1.path=c"]) == {"sources": [{"path": "a"}, {"path": "c"}]}
    for place in (number, f"{number}.path"):
        with pytest.raises(SettingsError, match=f"got '{number}', expected a number from 0 to 1"):
            override(given, [f"sources.{place}=c"])

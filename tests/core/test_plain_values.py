"""YAML, JSON and checkpoints as plain values: right ones come back, what multiplies is refused at once."""

import json
import time

import pytest

from nowcast.core.errors import SettingsError
from nowcast.core.plain_values import check_plain, parse_json, parse_yaml
from nowcast.core.settings import override, read_layered, read_yaml

ALIASES = "a0: &a0 [1, 1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))
MERGES = "a0: &a0 {x0: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], x{i}: 1}}\n" for i in range(1, 40)
)
CHAIN = "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 400))
REFUSED = {
    "nested in brackets": ("[" * 100_000, "deeper than 50"),
    "nested in braces": ("{a: " * 5000, "deeper than 50"),
    "nested by indentation": ("\n".join(" " * i + "a:" for i in range(500)), "deeper than 50"),
    "nested by dashes": ("- " * 50_000, "deeper than 50"),
    "aliases that double": (ALIASES, "more than 20000 values"),
    "merges that double": (MERGES, "more than 20000 values"),
    "aliases that nest": (CHAIN, "50 levels"),
    "an alias of itself": ("a: &a [*a]", "part of"),
    "a mapping of itself": ("&a {x: {y: *a}}", "part of"),
    "a key twice": ("a: 1\nb: 2\na: 3", "'a' is given twice"),
    "a key twice within": ("x:\n  'y': 1\n  \"y\": 3", "'y' is given twice"),
    "5000 digits": ("a: " + "9" * 5000, "too large or too long"),
    "a long hexadecimal": ("a: 0x" + "f" * 50_000, "too large or too long"),
    "a long number of base 60": ("a: 1" + ":1" * 50_000, "too large or too long"),
    "a long fraction of base 60": ("a: 1" + ":1" * 50_000 + ".5", "too large or too long"),
    "beyond 64 bits": ("a: 9223372036854775808", "too large or too long"),
    "many values": ("- a\n" * 49_000, "more than 20000 values"),
    "a large text": ("a: " + "x" * 300_000, "more than 200000"),
    "an object": ("!!python/object/apply:os.system [echo]", "could not determine a constructor"),
    "a zero byte": ("a: \0", "unacceptable character"),
    "a date that is none": ("a: 2020-13-45", "month must be"),
    "a number that is none": ("!!int '-'", "its tag"),
    "a date of nothing": ("!!timestamp x", "its tag"),
    "a truth that is none": ("!!bool x", "its tag"),
    "a list as a number": ("!!int [1]", "scalar"),
    "two documents": ("a: 1\n---\nb: 2", "single document"),
    "an alias of nothing": ("*a", "undefined alias"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_yaml_that_multiplies_or_misleads_is_refused_in_no_time(case, tmp_path):
    text, words = REFUSED[case]
    began = time.perf_counter()
    with pytest.raises(ValueError, match=words):
        parse_yaml(text)
    (tmp_path / "c.yaml").write_bytes(text.encode())
    with pytest.raises(SettingsError, match=r"c\.yaml: ") as caught:
        read_yaml(tmp_path / "c.yaml")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    with pytest.raises(SettingsError):
        override({}, [f"x={text}"])
    assert time.perf_counter() - began < 15  # three times; each is below 5 s on a busy machine


def test_yaml_that_is_meant_is_read_as_ever():
    text = "a: 1\nb: [1.5, .inf, 0x1f, 1e3]\nc: &x {d: 1, q: ~}\ne: {<<: *x, d: 2}\nf: [*x, *x]\nt: 1_000\n"
    text += "g: yes\n"
    assert parse_yaml(text) == {
        "a": 1,
        "b": [1.5, float("inf"), 31, "1e3"],
        "c": {"d": 1, "q": None},
        "e": {"d": 2, "q": None},
        "f": [{"d": 1, "q": None}] * 2,
        "t": 1000,
        "g": True,
    }
    assert parse_yaml("9223372036854775807") == 2**63 - 1
    assert parse_yaml("") is None
    deep = "[" * 49 + "7" + "]" * 49
    assert str(parse_yaml(deep)) == deep


@pytest.mark.parametrize("content", [b"\xff\xfe\0", b"a: \xe9", b"\0" * 300_000, b"", b"[1]"])
def test_files_that_are_no_settings_are_one_line(content, tmp_path):
    (tmp_path / "c.yaml").write_bytes(content)
    with pytest.raises(SettingsError, match=r"c\.yaml: ") as caught:
        read_yaml(tmp_path / "c.yaml")
    assert "\n" not in str(caught.value)


def test_a_base_that_never_ends_and_links_in_a_circle_are_refused(tmp_path):
    for number in range(30):
        (tmp_path / f"{number}.yaml").write_text(f"base: {number + 1}.yaml\n")
    with pytest.raises(SettingsError, match="one of too many"):
        read_layered(tmp_path / "0.yaml")
    (tmp_path / "circle.yaml").symlink_to(tmp_path / "circle.yaml")
    with pytest.raises(SettingsError, match="Too many levels of symbolic links"):
        read_layered(tmp_path / "circle.yaml")


def test_json_within_bounds_comes_back_and_other_is_refused():
    assert parse_json(json.dumps({"a": [1, 2.5, None, "x"]}).encode()) == {"a": [1, 2.5, None, "x"]}
    for text in (
        "[" * 100_000,
        "[" * 60 + "]" * 60,
        '{"a":' * 900 + "1" + "}" * 900,
        "1" * 5000,
        "9" * 20,
        b"\xff",
        "",
        "{",
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - json's own words, or ours
            parse_json(text)


def test_values_that_hold_one_another_twice_or_themselves_are_refused():
    value = [1]
    for _ in range(40):
        value = [value, value]
    with pytest.raises(ValueError, match="more than 1000000 values"):
        check_plain(value)
    own = []
    own.append(own)
    with pytest.raises(ValueError, match="deeper than 50"):
        check_plain(own)
    with pytest.raises(ValueError, match="it holds a object"):
        check_plain({"a": object()})
    with pytest.raises(ValueError, match="beyond 64 bits"):
        check_plain({2**70: 1})
    check_plain({"a": [(1, 2.5), None, True, {"b": "c"}]})

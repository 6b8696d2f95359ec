"""Plain values out of YAML, JSON and checkpoints, bounded: what multiplies is refused before it is made.

Why not ``yaml.safe_load``: it runs no code, but a text of a few hundred bytes can name itself until the memory
is full (aliases of aliases), nest until Python's stack ends, or hide one of two values under one key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from nowcast.core.files import read_at_most

_MOST_YAML = 200_000
"""Bytes of a file of settings; more than a second of reading."""
_DEEPEST = 50
_MOST_VALUES = 20_000
_LONGEST_NUMBER = 80
_LARGEST_INT = 2**63
_PLAIN = (str, int, float, type(None))


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which also measures what aliases make of each node."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._open = 0
        self._measures: dict[int, tuple[int, int]] = {}
        """Node, by its id -> number of values and levels once its aliases are followed."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._open += 1
        if self._open > _DEEPEST:
            raise ValueError(f"it nests deeper than {_DEEPEST} levels")
        alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        self._open -= 1
        if alias and id(node) not in self._measures:
            raise ValueError("an alias in it stands for what it is part of")
        if node is not None and not alias:
            self._measure(node)
        return node

    def _measure(self, node: yaml.Node) -> None:
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
            within = [inner for pair in node.value for inner in pair]
        else:
            within = node.value if isinstance(node, yaml.SequenceNode) else []
        measures = [self._measures[id(inner)] for inner in within]
        values = 1 + sum(size for size, _ in measures)
        levels = 1 + max((depth for _, depth in measures), default=0)
        if values > _MOST_VALUES or levels > _DEEPEST:
            raise ValueError(f"it makes more than {_MOST_VALUES} values or {_DEEPEST} levels, aliases followed")
        self._measures[id(node)] = values, levels

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        """Return a number of YAML, within the range of 64 bits where it is whole."""
        whole = node.tag.endswith(":int")
        found: int | float = 0
        if len(node.value) <= _LONGEST_NUMBER:
            found = self.construct_yaml_int(node) if whole else self.construct_yaml_float(node)
        if len(node.value) > _LONGEST_NUMBER or (whole and abs(found) >= _LARGEST_INT):
            raise ValueError(f"the number {node.value[:20]}... is too large or too long")
        return found


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_number)


def _check_keys(node: yaml.MappingNode) -> None:
    keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
    twice = [key for key in dict.fromkeys(keys) if keys.count(key) > 1] if len(set(keys)) < len(keys) else []
    if twice:
        raise ValueError(f"'{twice[0][:80]}' is given twice; leave one out")


def parse_yaml(text: str) -> Any:
    """Return the plain values of a YAML text.

    Raises:
        ValueError: no YAML; or one too deep, too long, with a key given twice, or whose aliases multiply.
    """
    if len(text) > _MOST_YAML:
        raise ValueError(f"it has more than {_MOST_YAML} characters")
    try:
        return _Loader(text).get_single_data()
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:  # of PyYAML's constructors
        raise ValueError("a value in it is not what its tag says") from error


def parse_yaml_file(path: Path) -> Any:
    """Return the plain values of a YAML file.

    Raises:
        OSError: as the system says.
        ValueError: as `parse_yaml`, too large, or not UTF-8.
    """
    return parse_yaml(read_at_most(Path(path), _MOST_YAML).decode("utf-8"))


def parse_json(text: str | bytes) -> Any:
    """Return the plain values of a JSON text.

    Raises:
        ValueError: no JSON, not UTF-8, or too deep.
    """
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError(f"it nests deeper than {_DEEPEST} levels") from error
    check_plain(found)
    return found


def check_plain(value: Any, most: int = 1_000_000, leaf: Callable[[Any], bool] | None = None) -> None:
    """Refuse what is neither a plain value nor a ``leaf``, is nested too deep, or endless to walk through.

    Why: a list that holds a list twice, that holds a list twice ... is small in memory and endless to walk.

    Raises:
        ValueError: so, or a whole number beyond 64 bits.
    """
    sizes: dict[int, int] = {}

    def size(value: Any, levels: int) -> int:
        if isinstance(value, int) and abs(value) >= _LARGEST_INT:
            raise ValueError("a whole number in it is beyond 64 bits")
        if isinstance(value, _PLAIN):
            return 1
        if not isinstance(value, (Mapping, list, tuple)):
            if leaf is not None and leaf(value):
                return 1
            raise ValueError(f"it holds a {type(value).__name__}")
        if levels == 0:
            raise ValueError(f"it nests deeper than {_DEEPEST} levels")
        if id(value) not in sizes:
            within = [*value, *value.values()] if isinstance(value, Mapping) else value
            sizes[id(value)] = 1 + sum(size(inner, levels - 1) for inner in within)
        if sizes[id(value)] > most:
            raise ValueError(f"it has more than {most} values")
        return sizes[id(value)]

    size(value, _DEEPEST)

"""Settings: frozen dataclasses built from YAML or ``key=value``, unknown keys refused.

Standard-library dataclasses on purpose: the training path runs on machines that have torch, numpy and
Lightning (and, with it, PyYAML) and nothing else.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
import re
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from nowcast.core.errors import SettingsError, printable, shown
from nowcast.core.packaged_configs import base_path
from nowcast.core.plain_values import parse_yaml, parse_yaml_file

T = TypeVar("T")
_FORMERLY = "formerly"
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def formerly(*names: str) -> dict[str, tuple[str, ...]]:
    """Field metadata with the names a setting once had, oldest first: they are still read.

    Why: what was written under an old name goes on loading. Use:
    ``flips_and_rotations: bool = field(default=True, metadata=formerly("turns"))``.
    """
    return {_FORMERLY: names}


def current_names(kind: type[Any], values: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Plain values of ``kind`` with every former name replaced by today's, groups included.

    Raises:
        SettingsError: a setting given under two of its names.
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        name, group = _today(kind, key)
        if name in found:
            raise SettingsError(f"{_dotted(where, name)}: given twice, also as '{key}'; leave one out")
        within = group is not None and isinstance(value, Mapping)
        found[name] = current_names(group, value, _dotted(where, name)) if group and within else value
    return found


def _today(kind: type[Any] | None, name: Any) -> tuple[Any, type[Any] | None]:
    """Today's name of a setting of ``kind``, and the dataclass of its settings where it is a group."""
    for f in dataclasses.fields(kind) if kind is not None else ():
        if name == f.name or name in f.metadata.get(_FORMERLY, ()):
            hint = typing.get_type_hints(kind)[f.name]
            parts = () if typing.get_origin(hint) is tuple else (hint, *typing.get_args(hint))
            return f.name, next((h for h in parts if isinstance(h, type) and dataclasses.is_dataclass(h)), None)
    return name, None


def build(kind: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """Make the dataclass ``kind`` from plain values, checking every key and type on the way.

    Nested dataclasses, ``X | None``, ``Literal``, tuples and dicts are followed. What YAML reads otherwise
    than it is meant is taken: an ``int`` or ``1e9`` (text in YAML) for a ``float``, the number 32 for the
    choice "32". Nothing else is converted. Infinity and NaN are refused.

    Raises:
        SettingsError: an unknown or missing key or a value of the wrong type; the message gives the
            full dotted name, what was found and what would do.
    """
    if not isinstance(values, Mapping):
        raise SettingsError(f"{where or kind.__name__}: got {values!r}, expected a group of settings")
    values = current_names(kind, values, where)
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind) if f.init}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(fields)}"
            raise SettingsError(f"{_dotted(where, key)}: unknown setting; {hint}")
    made = {}
    for name, field in fields.items():
        if name in values:
            made[name] = _convert(hints[name], values[name], _dotted(where, name))
            _check_finite(made[name], _dotted(where, name))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise SettingsError(f"{_dotted(where, name)}: missing, expected {_describe(hints[name])}")
    return kind(**made)


def plain(settings: Any, first_names: bool = False) -> Any:
    """Settings as dicts, lists and scalars, fit for YAML, JSON and a checkpoint.

    With ``first_names`` a renamed setting goes by the oldest of its names (see `formerly`), so that a hash
    over settings stays what it was before the renaming.
    """
    if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        return {
            f.metadata.get(_FORMERLY, (f.name,))[0] if first_names else f.name: plain(
                getattr(settings, f.name), first_names
            )
            for f in dataclasses.fields(settings)
        }
    if isinstance(settings, Mapping):
        return {str(k): plain(v, first_names) for k, v in settings.items()}
    if isinstance(settings, (list, tuple)):
        return [plain(v, first_names) for v in settings]
    return str(settings) if isinstance(settings, Path) else settings


def read_yaml(path: Path) -> dict[str, Any]:
    """Read one YAML file of settings.

    Raises:
        SettingsError: the file is absent, not YAML within bounds (`plain_values`), or no mapping at its top.
    """
    try:
        found = parse_yaml_file(Path(path))
    except OSError as error:
        raise SettingsError(f"{path}: no such configuration ({error.strerror}); check the path") from error
    except ValueError as error:
        raise SettingsError(f"{path}: not a YAML file of settings ({printable(error)[:300]})") from error
    if not isinstance(found, dict):
        raise SettingsError(f"{path}: got {type(found).__name__}, expected settings as 'key: value'")
    return found


def read_layered(path: Path, kind: type[Any] | None = None) -> dict[str, Any]:
    """Read a YAML file of settings on top of the file it names as its ``base``, if any.

    Why: experiments on the same data differ in a few lines. ``base`` is a path from the folder of the file, or
    the name of a packaged experiment or bench; groups are merged key by key, lists and values replaced;
    ``kind`` (a dataclass) knows former names.

    Raises:
        SettingsError: as `read_yaml`, or a file that is its own base.
    """
    return _layers(Path(path), (), kind)


def _layers(path: Path, above: tuple[Path, ...], kind: type[Any] | None) -> dict[str, Any]:
    place = Path(os.path.realpath(path))  # resolve() fails at links that lead in a circle
    if place in above or len(above) > 20:
        raise SettingsError(f"{path}: is its own base, or one of too many; name another file")
    values = read_yaml(path)
    base = values.pop("base", None)
    if kind is not None:
        values = current_names(kind, values)
    if base is None:
        return values
    if not isinstance(base, str):
        raise SettingsError(f"{path}: base: got {shown(base)}, expected the path of a configuration")
    return merged(_layers(base_path(path.parent, base), (*above, place), kind), values)


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Put settings over others, group by group; lists and values are replaced."""
    found = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = merged(found[key], value) if both else value
    return found


def override(
    values: Mapping[str, Any], assignments: Sequence[str], kind: type[Any] | None = None
) -> dict[str, Any]:
    """Put ``a.b=c`` assignments over nested settings; the right side is read as YAML.

    An entry of a list is named by its number, from 0: ``data.sources.0.settings.path=my.zarr``.
    With ``kind``, the dataclass they are settings of, both may have former names.

    Raises:
        SettingsError: an assignment without ``=``, through something that is no group, or beyond a list.
    """
    result: dict[str, Any] = _copy(values if kind is None else current_names(kind, values))
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name:
            raise SettingsError(f"--set {assignment}: expected key=value, for example training.steps=100")
        *groups, last = name.split(".")
        place: Any = result
        inner = kind
        for name in groups:
            group, inner = _today(inner, name)
            key = _place(place, group, assignment)
            if isinstance(place, dict) and place.setdefault(key, {}) is None:
                place[key] = {}
            if not isinstance(place[key], (dict, list)):
                raise SettingsError(f"--set {assignment}: '{group}' is a value, not a group of settings")
            place = place[key]
        try:
            place[_place(place, _today(inner, last)[0], assignment)] = parse_yaml(text)
        except ValueError as error:
            raise SettingsError(
                f"--set {printable(assignment[:80])}: the value is not YAML ({printable(error)[:200]})"
            ) from error
    return result


def _place(group: dict[str, Any] | list[Any], name: str, assignment: str) -> Any:
    """The key of a group, or the number of an entry that a list has."""
    if isinstance(group, dict):
        return name
    if name.isdecimal() and int(name) < len(group):
        return int(name)
    raise SettingsError(f"--set {assignment}: got '{name}', expected a number from 0 to {len(group) - 1}")


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _copy(v) for k, v in value.items()}
    return [_copy(v) for v in value] if isinstance(value, list) else value


def _dotted(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)


def _describe(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _convert_union(hint, value, where)
    if origin is typing.Literal:
        allowed = typing.get_args(hint)
        if value in allowed:
            return value
        if isinstance(value, (int, float)) and not isinstance(value, bool) and str(value) in allowed:
            return str(value)
        choices = ", ".join(map(str, allowed))
        raise SettingsError(f"{where}: got {shown(value)}, expected one of {choices}")
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return value if isinstance(value, hint) else build(hint, value, where)
    if origin is tuple:
        return _convert_tuple(hint, value, where)
    if origin in (dict, Mapping) or hint is dict:
        if isinstance(value, Mapping):
            inner = typing.get_args(hint)[1] if typing.get_args(hint) else Any
            return {k: _convert(inner, v, f"{where}.{k}") for k, v in value.items()}
    elif _is_scalar(hint, value):
        return float(str(value)) if hint is float else Path(value) if hint is Path else value
    raise SettingsError(f"{where}: got {shown(value)}, expected {_describe(hint)}")


def _check_finite(value: Any, where: str) -> None:
    if isinstance(value, (tuple, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            _check_finite(inner, where)
    elif isinstance(value, float) and not math.isfinite(value):
        raise SettingsError(f"{where}: got {value}, expected a finite number; give one")


def _convert_union(hint: Any, value: Any, where: str) -> Any:
    if value is None and type(None) in typing.get_args(hint):
        return None
    errors = []
    for choice in typing.get_args(hint):
        if choice is not type(None):
            try:
                return _convert(choice, value, where)
            except SettingsError as error:
                errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    raise SettingsError(f"{where}: got {shown(value)}, expected {_describe(hint)}")


def _convert_tuple(hint: Any, value: Any, where: str) -> tuple[Any, ...]:
    inner = typing.get_args(hint)
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise SettingsError(f"{where}: got {shown(value)}, expected a list")
    if len(inner) == 2 and inner[1] is Ellipsis:
        return tuple(_convert(inner[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    if len(inner) != len(value):
        raise SettingsError(f"{where}: got {len(value)} values, expected {len(inner)}")
    return tuple(_convert(h, v, f"{where}[{i}]") for i, (h, v) in enumerate(zip(inner, value, strict=True)))


def _is_scalar(hint: Any, value: Any) -> bool:
    if hint is float:
        spelled = isinstance(value, str) and _NUMBER.fullmatch(value) is not None
        return spelled or (isinstance(value, (int, float)) and not isinstance(value, bool))
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is Path:
        return isinstance(value, (str, Path)) and "\0" not in str(value)
    return isinstance(hint, type) and isinstance(value, hint)

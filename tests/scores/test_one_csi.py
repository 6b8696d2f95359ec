"""CSI is made of counts in one place: any other division of hits in the package is found and named."""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch

from nowcast.scores.categorical import csi

ROOT = Path(__file__).resolve().parents[2]
HOME = "nowcast/scores/categorical.py"


def words(node: ast.AST, known: dict[str, set[str]]) -> set[str]:
    """Names, attributes and texts in an expression, and those of the expressions its names were set to."""
    found: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            found |= {part.id, *known.get(part.id, ())}
        elif isinstance(part, ast.Attribute):
            found.add(part.attr)
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            found.add(part.value)
    return {word.lower() for word in found}


def quotients(function: ast.AST) -> list[tuple[ast.expr, ast.expr]]:
    found = []
    for node in ast.walk(function):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            found.append((node.left, node.right))
        elif isinstance(node, ast.Call) and len(node.args) >= 2:
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in ("ratio", "divide", "true_divide"):
                found.append((node.args[0], node.args[1]))
    return found


def critical_success_indices(source: str) -> list[int]:
    """Lines that divide hits by something with hits in it, or the first of some counts by their sum."""
    lines = []
    tree = ast.parse(source)
    known: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            known.setdefault(node.targets[0].id, set()).update(words(node.value, {}))
    for above, below in quotients(tree):
        parts = words(below, known)
        counted = ("hit", "event")
        by_name = any("hit" in w for w in words(above, {})) and any(c in w for w in parts for c in counted)
        whole = ast.unparse(above.value) if isinstance(above, ast.Subscript) else None
        if by_name or (whole is not None and f"{whole}.sum(" in ast.unparse(below)):
            lines.append(above.lineno)
    return lines


@pytest.mark.parametrize(
    "twin",
    [
        "x = hits / (hits + misses + alarms)",
        "def f(r):\n    n = r.hits + r.misses + r.false_alarms\n    return r.hits / n if n else None",
        "csi = ratio(sums['hits'], sums['hits'] + sums['misses'] + sums['false_alarms'])",
        "csi = ratio(hits, events[..., None] + said - hits)",
        "csi = ratio(counts[..., 0], counts.sum(axis=-1))",
        "csi = (counts[:, 0] / counts.sum(axis=1)).mean()",
    ],
)
def test_a_twin_would_be_found(twin):
    assert critical_success_indices(twin)


def test_there_is_one_csi():
    files = [*(ROOT / "nowcast").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]
    found = {
        str(path.relative_to(ROOT)): lines
        for path in files
        if (lines := critical_success_indices(path.read_text(encoding="utf-8")))
    }
    assert list(found) == [HOME]
    text = (ROOT / HOME).read_text(encoding="utf-8")
    assert text.count("hits + misses + false_alarms") == 1
    assert len(found[HOME]) == 3  # beside it POD and frequency bias, whose denominators have no false alarms


def test_any_kind_of_count_by_hand():
    assert csi(3, 1, 2) == 0.5
    assert np.isnan(csi(0, 0, 0))
    arrays = np.array([3, 0]), np.array([1, 0]), np.array([2, 0])
    np.testing.assert_array_equal(csi(*arrays), [0.5, np.nan])
    np.testing.assert_array_equal(csi(*map(torch.from_numpy, arrays)).numpy(), [0.5, np.nan])

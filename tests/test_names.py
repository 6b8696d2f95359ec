"""One name, one thing: no two public classes of the package share a name, nor do a class and a type."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def classes(tree: ast.AST) -> Iterator[str]:
    yield from (node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def types(tree: ast.Module) -> Iterator[str]:
    """Names of types at the top of a file: ``Frames = npt.NDArray[...]``."""
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
        target = node.target if isinstance(node, ast.AnnAssign) else target
        if isinstance(target, ast.Name) and target.id[:1].isupper() and not target.id.isupper():
            yield target.id


def shared(sources: dict[str, str]) -> dict[str, list[str]]:
    """Public names that stand for more than one class, or for a class and a type: name -> where."""
    places: dict[str, list[str]] = defaultdict(list)
    trees = {where: ast.parse(source) for where, source in sources.items()}
    for where, tree in trees.items():
        for name in classes(tree):
            places[name].append(where)
    for where, tree in trees.items():
        for name in types(tree):
            if name in places:
                places[name].append(where)
    return {name: found for name, found in places.items() if len(found) > 1 and not name.startswith("_")}


def test_shared_names_would_be_found():
    own = "class _Own: pass"
    found = shared({"a": "class Clip: pass", "b": f"class Clip: pass\n{own}", "c": own})
    assert found == {"Clip": ["a", "b"]}
    assert shared({"a": "class Frames: pass", "b": "Frames = npt.NDArray[float]"}) == {"Frames": ["a", "b"]}
    assert shared({"a": "MOST = 3\nFloats = int", "b": "MOST = 4\nFloats = int"}) == {}


def test_one_name_one_thing():
    files = (ROOT / "nowcast").rglob("*.py")
    found = shared({str(p.relative_to(ROOT)): p.read_text(encoding="utf-8") for p in files})
    assert found == {}

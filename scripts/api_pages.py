"""Pages of the API reference from docstrings: one page a package, read from the source without importing it.

`python scripts/build_docs.py` writes them beside the other pages. Public modules, classes, functions and
constants that have a docstring stand there, with their signatures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import griffe

TOP = "nowcast"


def write_api_pages(source: Path, out: Path) -> list[str]:
    """Write one page for each package of ``source/nowcast``, and their index.

    Returns:
        The names of the packages, in the order of the index.
    """
    root = griffe.load(TOP, search_paths=[str(source)], docstring_parser="google", resolve_aliases=False)
    assert isinstance(root, griffe.Module)
    packages = [package for package in _packages(root) if package is root or list(_modules(package))]
    out.mkdir(parents=True, exist_ok=True)
    for package in packages:
        (out / f"{package.path}.md").write_text(_page(package), encoding="utf-8")
    lines = [f"| [`{p.path}`]({p.path}.md) | {_first_line(p)} |" for p in packages]
    toc = "\n".join(["```{toctree}", ":hidden:", "", *(p.path for p in packages), "```"])
    text = (
        "# API\n\nEvery public class and function, from its docstring. The workflows that "
        "`import nowcast` gives are\nin [`nowcast.workflows`](nowcast.workflows.md);\n"
        "a catalog names what can be chosen by name.\n\n"
        "| package | what it holds |\n|---|---|\n" + "\n".join(lines) + f"\n\n{toc}\n"
    )
    (out / "index.md").write_text(text, encoding="utf-8")
    return [p.path for p in packages]


def _packages(module: griffe.Module) -> Iterator[griffe.Module]:
    yield module
    for member in sorted(_own(module), key=lambda m: m.name):
        if isinstance(member, griffe.Module) and member.is_init_module:
            yield from _packages(member)


def _modules(package: griffe.Module) -> Iterator[griffe.Module]:
    for member in sorted(_own(package), key=lambda m: m.name):
        if isinstance(member, griffe.Module) and not member.is_init_module:
            yield member


def _own(thing: griffe.Module | griffe.Class) -> list[griffe.Object]:
    """Public members that are defined here, in the order of the source."""
    found = [m for m in thing.members.values() if not m.is_alias and not m.name.startswith("_")]
    return sorted((m for m in found if isinstance(m, griffe.Object)), key=lambda m: m.lineno or 0)


def _page(package: griffe.Module) -> str:
    parts = [f"# `{package.path}`", _text(package)]
    parts += [_entry(member) for member in _own(package) if not isinstance(member, griffe.Module)]
    for module in _modules(package):
        parts += [f"## `{module.path.removeprefix(TOP + '.')}`", _text(module)]
        parts += [_entry(member) for member in _own(module)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _entry(member: griffe.Object, depth: int = 7) -> str:
    """One object as a directive of Sphinx's Python domain, its members inside."""
    if isinstance(member, griffe.Function):
        kind, signature = ("function" if depth == 7 else "method"), _signature(member)
        if "property" in member.labels:
            kind, signature = "property", ""
    elif isinstance(member, griffe.Class):
        kind, signature = "class", _bases(member)
    elif member.docstring is None:
        return ""
    else:
        kind, signature = ("data" if depth == 7 else "attribute"), ""
    inner = [_text(member)]
    if isinstance(member, griffe.Class):
        inner += [_entry(each, depth - 1) for each in _own(member)]
    body = "\n\n".join(part for part in inner if part)
    if isinstance(member, griffe.Function) and not body:
        return ""
    fence = "`" * depth
    options = [":async:"] if "async" in member.labels else []
    annotation = getattr(member, "annotation", None)
    if kind in ("data", "attribute") and annotation is not None:
        options.append(f":type: {annotation}")
    if kind == "property" and isinstance(member, griffe.Function) and member.returns is not None:
        options.append(f":type: {member.returns}")
    head = f"{fence}{{py:{kind}}} {member.path}{signature}"
    return "\n".join([head, *options, "", body, fence])


def _signature(function: griffe.Function) -> str:
    shown, star = [], False
    parameters = [p for p in function.parameters if p.name not in ("self", "cls")]
    for p in parameters:
        kind = p.kind
        if kind is griffe.ParameterKind.keyword_only and not star:
            shown.append("*")
            star = True
        mark = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}
        star = star or kind is griffe.ParameterKind.var_positional
        text = mark.get(kind, "") + p.name if kind else p.name
        if p.annotation is not None:
            text += f": {p.annotation}"
        if p.default is not None and kind not in mark:
            text += f" = {p.default}"
        shown.append(text)
    returned = f" -> {function.returns}" if function.returns is not None else ""
    return re.sub(r"\s+", " ", f"({', '.join(shown)}){returned}")


def _bases(kind: griffe.Class) -> str:
    """What the constructor takes: the fields of a dataclass, or the arguments of ``__init__``."""
    made = kind.members.get("__init__")
    if isinstance(made, griffe.Function):
        return _signature(made)
    if not any("dataclass" in str(d.value) for d in kind.decorators):
        return ""
    fields = [m for m in _own(kind) if isinstance(m, griffe.Attribute) and m.annotation is not None]
    kept = [f for f in fields if "ClassVar" not in str(f.annotation)]
    texts = [f"{f.name}: {f.annotation}" + (f" = {f.value}" if f.value is not None else "") for f in kept]
    return re.sub(r"\s+", " ", f"({', '.join(texts)})")


def _first_line(thing: griffe.Object) -> str:
    text = thing.docstring.value.strip().partition("\n\n")[0] if thing.docstring else ""
    return _escaped(" ".join(text.split())).replace("|", "\\|")


def _text(thing: griffe.Object) -> str:
    """The docstring as Markdown, its sections as lists."""
    if thing.docstring is None:
        return ""
    parts = []
    for section in thing.docstring.parse("google", warnings=False):
        value = section.value
        if section.kind is griffe.DocstringSectionKind.text:
            parts.append(_escaped(value))
        elif section.kind is griffe.DocstringSectionKind.admonition:
            parts.append(f"**{section.title}:** {_escaped(value.description)}")
        else:
            parts.append(_listed(section))
    return "\n\n".join(parts)


def _listed(section: griffe.DocstringSection) -> str:
    title = {"parameters": "Arguments", "raises": "Raises", "returns": "Returns", "yields": "Yields"}
    lines = [f"**{title.get(section.kind.value, section.kind.value.capitalize())}**", ""]
    for item in section.value:
        name = getattr(item, "name", "") or (
            str(item.annotation) if section.kind is griffe.DocstringSectionKind.raises else ""
        )
        head = f"`{name}`: " if name else ""
        lines.append(f"- {head}{_escaped(' '.join(item.description.split()))}")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Angle brackets outside code spans stand for themselves."""
    parts = re.split(r"(``.*?``|`[^`\n]*`)", text, flags=re.S)
    return "".join(p if p.startswith("`") else re.sub(r"<(?=[A-Za-z/!])", "&lt;", p) for p in parts)

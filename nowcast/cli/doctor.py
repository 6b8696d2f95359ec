"""`nowcast doctor`: versions, libraries, CPU, GPU, space; what is missing and what will be slow."""

from __future__ import annotations

import argparse
import json
from typing import Any

from nowcast.cli.help_page import HelpPage

HELP = HelpPage(
    """Says what nowcast runs on: versions and whether they fit, optional libraries and how to install those
that are missing, CPU and its instructions, threads, GPU, memory, free space, the networks of the package.
Then what has to be mended, and what will be slow on this machine and what helps. Put its output into a
report of a fault.""",
    examples=(("nowcast doctor", "for people"), ("nowcast doctor --json", "for programs")),
    exit_codes="0 all is there, 1 something has to be mended.",
    see=("nowcast formats", "nowcast models"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Examine and print; return 1 when something has to be mended."""
    from nowcast.workflows.doctor import examine

    found = examine()
    print(json.dumps(found, indent=1) if args.json else as_text(found))
    return 1 if found["wrong"] else 0


def as_text(found: dict[str, Any]) -> str:
    """What was found, for people."""
    package = found["nowcast"]
    origin = "" if package["commit"] == "unknown" else f", commit {package['commit']}"
    memory = found["memory_gb"]
    lines = [
        ("nowcast", f"{package['version']}{origin}, in {package['folder']}"),
        ("python", f"{found['python']} on {found['system']}"),
        ("libraries", _libraries(found["libraries"])),
        *_extras(found["extras"]),
        ("cpu", _cpu(found["cpu"])),
        ("gpu", _gpu(found["gpu"])),
        ("memory", "unknown" if memory is None else f"{memory[0]:g} GB, {memory[1]:g} GB of it free"),
        *((f"disk ({name})", _disk(one)) for name, one in found["disks"].items()),
        (
            "networks",
            ", ".join(f"{n} ({'damaged' if bad else 'whole'})" for n, bad in found["networks"].items()),
        ),
        ("configs", ", ".join(f"{count} of {kind}" for kind, count in found["configurations"].items())),
        *(("set", f"{name}={value}") for name, value in found["environment"].items()),
        *(("slow", text) for text in found["slow"] or ["nothing"]),
        *(("to mend", text) for text in found["wrong"] or ["nothing"]),
    ]
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in lines)


def _libraries(libraries: dict[str, dict[str, str]]) -> str:
    if not libraries:
        return "nowcast is not installed here, so that nothing tells which it needs: pip install nowcast"
    return ", ".join(
        f"{name} {one['version']}{' (!)' if one['fault'] else ''}" for name, one in libraries.items()
    )


def _extras(extras: dict[str, dict[str, str]]) -> list[tuple[str, str]]:
    """One line for the extras that are here, one for each that is not."""
    here = [name for name, libraries in extras.items() if all(libraries.values())]
    told = (", ".join(f"{lib} {v}" for lib, v in extras[name].items()) for name in here)
    lines = [("extras", "; ".join(f"{n}: {t}" for n, t in zip(here, told, strict=True)) or "none")]
    for name, libraries in extras.items():
        if name not in here:
            missing = ", ".join(library for library, found in libraries.items() if not found)
            lines.append(("not here", f"{name} ({missing}): pip install 'nowcast[{name}]'"))
    return lines


def _cpu(cpu: dict[str, Any]) -> str:
    quota = "" if cpu["quota_cores"] is None else f", {cpu['quota_cores']:g} by the container's quota"
    half = "native bfloat16" if cpu["native_bfloat16"] else "no native bfloat16"
    return (
        f"{cpu['name']}, {cpu['usable_cores']} of {cpu['cores']} cores{quota}, {cpu['instructions']}, {half}, "
        f"torch takes {cpu['threads']} thread{'s' * (cpu['threads'] != 1)}"
    )


def _gpu(gpu: dict[str, Any]) -> str:
    named = ", ".join(f"{one['name']} with {one['memory_gb']:g} GB" for one in gpu["devices"]) or "none"
    half = ", native bfloat16" if gpu["devices"] and gpu["native_bfloat16"] else ""
    use = "; forecasts compute on it with --device cuda" if gpu["devices"] else ""
    return f"{named}{half}; torch is built for {gpu['torch_built_for']}{use}"


def _disk(disk: dict[str, Any]) -> str:
    return f"{disk['free_gb']:g} GB free, {disk['path']}{'' if disk['writable'] else ', cannot be written'}"

"""Fill the tables of docs/reference/skill.md from folders that ``nowcast verify`` has written.

    python scripts/write_skill_tables.py docs/reference/skill.md italy=skill finland=skill_fmi

A block of the page begins with ``<!-- KIND NAME ... -->`` and ends with ``<!-- end -->``; what stands
between is replaced, blocks of other names stay. Kinds: ``mean NAME``, mean scores over lead times; ``lead
NAME SCORE [DBZ]``, one score by lead time; ``difference NAME``, mean CSI less that of the reference with its
interval; ``horizon NAME``, the skill horizon; ``probabilities NAME``, what scripts/measure_probabilities.py has
written; ``countries NAME MODEL``, a model beside the reference by country and season, and ``brier NAME``, all
groups of scripts/compare_skill.py in NAME. No number is typed by hand.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from pathlib import Path

from comparison_tables import beside_one, brier, by_country, groups_of
from skill_cells import interval, number, rows

from nowcast.core.files import whole_file

LEADS = ("10", "20", "30", "60", "100")
OTHERS = (
    ("fss_17", "20", "FSS20 (17 cells)", 3),
    ("fss_17", "30", "FSS30", 3),
    ("mae", "", "MAE dBZ", 2),
    ("gdl", "", "GDL", 3),
    ("rapsd_ratio", "", "power at 8-16 km", 2),
)
THRESHOLDS = ("10", "20", "30", "35", "40", "45")
BLOCK = re.compile(
    r"<!-- (mean|lead|difference|horizon|probabilities|countries|brier) (\S+)(?: ([^\n]*?))? -->\n"
    r"((?!<!-- ).*\n)*<!-- end -->"
)


def main() -> int:
    """Rewrite the page; return 2 where a block names a folder's score that is not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("folders", nargs="+", metavar="NAME=FOLDER", help="of nowcast verify")
    args = parser.parse_args()
    folders = dict(text.split("=", 1) for text in args.folders)

    def fill(block: re.Match[str]) -> str:
        kind, name, rest = block.groups()[:3]
        if name not in folders:
            return block.group()
        lines = TABLES[kind](Path(folders[name]), (rest or "").split())
        return "\n".join([block.group().splitlines()[0], "", *lines, "", "<!-- end -->"])

    try:
        page = args.page.read_text(encoding="utf-8")
        named = {name for _, name, *_ in BLOCK.findall(page)}
        if page.count("<!-- end -->") != len(BLOCK.findall(page)) or not set(folders) <= named:
            print(
                f"{args.page}: got blocks of {', '.join(sorted(named)) or 'nothing'}, perhaps some without "
                f"an end, expected whole ones of {', '.join(folders)}",
                file=sys.stderr,
            )
            return 2
        filled = BLOCK.sub(fill, page)
    except (OSError, KeyError) as error:
        print(f"{args.page}: no such file or score: {error}", file=sys.stderr)
        return 2
    with whole_file(args.page) as temporary:
        temporary.write_text(filled, encoding="utf-8")
    return 0


def mean(folder: Path, rest: list[str]) -> list[str]:
    """One line a model: CSI at each threshold and the other scores, means over lead times."""
    del rest
    means = [row for row in rows(folder / "scores.csv") if row["lead_minutes"] == "mean"]
    value = {(r["model"], r["score"], r["threshold_dbz"]): float(r["value"]) for r in means}
    models = list(dict.fromkeys(r["model"] for r in means))
    columns = [*(("csi", t, f"CSI{t}", 3) for t in THRESHOLDS), *OTHERS]
    known = [c for c in columns if (models[0], *c[:2]) in value]
    cells = {m: [number(value[m, score, t], digits) for score, t, _, digits in known] for m in models}
    return _table(["mean over lead times", *(title for _, _, title, _ in known)], cells)


def lead(folder: Path, rest: list[str]) -> list[str]:
    """One line a model: one score at some lead times, in minutes."""
    score, threshold = rest[0], rest[1] if len(rest) > 1 else ""
    found = [r for r in rows(folder / "scores.csv") if (r["score"], r["threshold_dbz"]) == (score, threshold)]
    value = {(r["model"], r["lead_minutes"]): float(r["value"]) for r in found}
    models = dict.fromkeys(r["model"] for r in found)
    cells = {model: [number(value[model, at], 3) for at in LEADS] for model in models}
    return _table(["", *(f"{at} min" for at in LEADS)], cells)


def difference(folder: Path, rest: list[str]) -> list[str]:
    """One line a model: mean CSI less that of its reference, with the 95 % interval."""
    del rest
    pairs = [r for r in rows(folder / "confidence.csv") if r["measure"] == "csi_difference"]
    one = len({p["reference"] for p in pairs}) == 1
    cells: dict[str, list[str]] = {}
    for pair in pairs:
        cells.setdefault(pair["model"], [] if one else [pair["reference"]]).append(interval(pair))
    thresholds = [f"CSI{t}" for t in dict.fromkeys(p["threshold_dbz"] for p in pairs)]
    less = f"less {pairs[0]['reference']}" if one else "CSI less that of the reference"
    head = [f"{less} ({pairs[0]['blocks']} blocks)", *([] if one else ["reference"]), *thresholds]
    return _table(head, cells)


def horizon(folder: Path, rest: list[str]) -> list[str]:
    """One line a model: its skill horizon, the lead time at which CSI falls under a value."""
    del rest
    held = [r for r in rows(folder / "confidence.csv") if r["measure"].startswith("skill_horizon_minutes")]
    if not held:
        raise KeyError(f"skill_horizon_minutes in {folder / 'confidence.csv'}")
    level = held[0]["measure"].rsplit("_", 1)[1]
    cells = {r["model"]: [_minutes(float(r["value"]))] for r in held}
    return _table(["", f"CSI{held[0]['threshold_dbz']} falls under {level} at"], cells)


PROBABILITIES = (
    ("brier_skill", "20", "Brier skill 20 dBZ", "{:.3f}"),
    ("brier_skill", "30", "30 dBZ", "{:.3f}"),
    ("brier_skill", "40", "40 dBZ", "{:.3f}"),
    ("crps", "", "CRPS dB", "{:.3f}"),
    ("crps_fair", "", "fair CRPS", "{:.3f}"),
    ("largest_gap", "20", "largest gap 20 dBZ", "{:+.3f}"),
    ("largest_gap", "30", "30 dBZ", "{:+.3f}"),
    ("largest_gap", "40", "40 dBZ", "{:+.3f}"),
    ("rain_sum_largest_gap", "5", "of 5 mm in 60 min", "{:+.3f}"),
    ("area_spread_error", "", "spread/error of areas", "{:.2f}"),
    ("rank_histogram_20", "", "ranks", "{:.2f}"),
)
"""Measure, threshold, heading and format of each column; a gap is frequency less probability."""


def probabilities(folder: Path, rest: list[str]) -> list[str]:
    """One line a model: what its probabilities and members are worth on the same starts."""
    del rest
    found = rows(folder / "probabilities.csv")
    value = {
        (r["model"], r["measure"], f"{float(r['threshold']):g}" if r["threshold"] else ""): r["value"]
        for r in found
    }
    models = list(dict.fromkeys(r["model"] for r in found))
    cells = {
        model: [_formatted(form, float(value[model, name, at])) for name, at, _, form in PROBABILITIES]
        for model in models
    }
    starts = value[models[0], "starts", ""]
    head = f"{starts} start{'' if starts == '1' else 's'}"
    return _table([head, *(title for *_, title, _ in PROBABILITIES)], cells)


def countries(folder: Path, rest: list[str]) -> list[str]:
    """One line a group of a comparison: one model beside the reference, by threshold."""
    return by_country(beside_one(groups_of(folder, rest[0])), rest[0])


def brier_skill(folder: Path, rest: list[str]) -> list[str]:
    """One line a group and model of a comparison, those groups in which STEPS was counted."""
    return brier(groups_of(folder, rest[0] if rest else None))


def _formatted(form: str, value: float) -> str:
    return "-" if math.isnan(value) else form.format(value)


def _minutes(value: float) -> str:
    if math.isnan(value):
        return "-"
    return "does not fall" if math.isinf(value) else f"{value:.0f} min"


TABLES = {
    "mean": mean,
    "lead": lead,
    "difference": difference,
    "horizon": horizon,
    "probabilities": probabilities,
    "countries": countries,
    "brier": brier_skill,
}


def _table(head: list[str], cells: dict[str, list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *([model, *found] for model, found in cells.items())]
    return [f"| {' | '.join(line)} |" for line in lines]


if __name__ == "__main__":
    sys.exit(main())

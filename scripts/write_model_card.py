"""Write the card of a network, or a mean, of the package, from its weights, curve and verifications.

    python scripts/write_model_card.py motionrnn \
        --skill "Italy, 21 and 22 March 2025=skill" --skill "Finland=skill_fmi"

Every number is read from files: the description within the weights, NAME.curve.csv, and scores.csv and
confidence.csv of ``nowcast verify`` or all groups of scripts/compare_skill.py (--comparison): by country,
season and threshold, with reliability and where S-PROG is ahead. Terms of the data stand in data_terms.yaml.
Where it fails is in words, from NAME.words.md. The card of a mean names its networks and its calibration.
Without --skill and --comparison the skill that the card has stays.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import yaml
from comparison_tables import behind, beside_one, brier, by_country, groups_of, reliability, table
from skill_cells import interval, number, rows

from nowcast.core.errors import NowcastError
from nowcast.core.files import sha256, whole_file
from nowcast.core.settings import current_names, plain
from nowcast.forecasters.calibration_file import read_calibration
from nowcast.forecasters.registry import CALIBRATION, PackagedMean, folder, means
from nowcast.models.checkpoint import CheckpointMeta, load_network
from nowcast.training.experiment import Experiment

CURVE_ROWS = 8
THRESHOLDS = ("20", "30", "35", "40")


def main() -> int:
    """Write NAME.md beside the weights; return 2 where something is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="of the network or mean, a key of registry.json")
    parser.add_argument(
        "--skill", action="append", default=[], metavar="TITLE=FOLDER", help="a folder of nowcast verify"
    )
    parser.add_argument("--comparison", type=Path, help="the folder of scripts/compare_skill.py")
    parser.add_argument("--counted-as", metavar="NAME", help="name that it has in the comparison (its own)")
    args = parser.parse_args()
    card = folder() / f"{args.name}.md"
    try:
        mean = means().get(args.name)
        parts = [f"# {args.name}", "", *(_network(args.name) if mean is None else _mean(args.name, mean))]
        if args.comparison is not None:
            parts += _comparison(args.comparison, args.counted_as or f"{args.name}")
        for asked in args.skill:
            title, _, place = asked.partition("=")
            parts += _skill(title, Path(place))
        if not args.skill and args.comparison is None:
            parts += re.findall(r"^## Skill: .*?(?=\n## )", card.read_text(encoding="utf-8"), flags=re.M | re.S)
        parts += [(folder() / f"{args.name}.words.md").read_text(encoding="utf-8").strip(), ""]
    except (NowcastError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    with whole_file(card) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")
    print(card)
    return 0


def _network(name: str) -> list[str]:
    """Size, digest, settings and learning curve of a network."""
    weights = folder() / f"{name}.safetensors"
    loaded = load_network(weights)
    parameters = sum(p.numel() for p in loaded.model.parameters())
    return [
        f"{loaded.meta.model}, {parameters:,} parameters, {weights.stat().st_size / 1e6:.2f} MB in "
        f"float16, sha256 `{sha256(weights)}`.",
        "",
        *_settings(loaded.meta),
        *_curve(folder() / f"{name}.curve.csv"),
    ]


def _mean(name: str, mean: PackagedMean) -> list[str]:
    """Of which networks a mean is, what these were trained on, and on which days it was calibrated."""
    loaded = {member: load_network(folder() / f"{member}.safetensors") for member in mean.members}
    sizes = {member: sum(p.numel() for p in one.model.parameters()) for member, one in loaded.items()}
    lines = [
        [f"`{member}`", one.meta.model, f"{sizes[member]:,}", f"`{one.sha256}`"]
        for member, one in loaded.items()
    ]
    metas = [one.meta for one in loaded.values()]
    sources = [source for meta in metas for source in plain(meta.experiment)["data"]["sources"]]
    made = read_calibration(folder() / f"{name}{CALIBRATION}").made
    days = ", ".join(period.split("T")[0] for period in made["periods"])
    starts = sum(archive["nowcasts"] for archive in made["archives"])
    archives = ", ".join(f"`{archive['name']}`" for archive in made["archives"] if archive["nowcasts"])
    cards = ", ".join(f"`nowcast models --card {member}`" for member in mean.members)
    return [
        f"The mean of the probabilities of {len(lines)} networks of the package, each counted alike, "
        f"calibrated once; {sum(sizes.values()):,} parameters, no weights of its own.",
        "",
        *table(["network", "kind", "parameters", "sha256"], lines),
        "",
        "## Data, split and settings",
        "",
        f"Frames every {mean.step_minutes:g} minutes, {max(meta.past for meta in metas)} in, "
        f"{min(meta.future for meta in metas)} out. Settings, split and learning curve of each network stand "
        f"in its own card: {cards}. The mean is calibrated on {starts} nowcasts of {archives}, {days}, "
        "on which none of them was trained.",
        "",
        *_terms(list({Path(str(s["settings"].get("path", s["kind"]))).name: s for s in sources}.values())),
    ]


def _settings(meta: CheckpointMeta) -> list[str]:
    experiment: dict[str, Any] = current_names(Experiment, plain(meta.experiment))
    data, training = experiment["data"], experiment["training"]
    kept = {
        "model": experiment["model"],
        "data": {
            k: data[k]
            for k in (
                "sources",
                "window",
                "crop",
                "train",
                "validation",
                "test",
                "scaling",
                "flips_and_rotations",
                "minimum_sampling_weight",
                "missing",
            )
            if k in data
        },
        "training": {k: v for k, v in training.items() if k not in ("workers", "logger", "log_every")},
    }
    made = ", ".join(f"{name} {value}" for name, value in meta.provenance.items())
    return [
        "## Data, split and settings",
        "",
        f"Frames every {meta.step_seconds / 60:g} minutes, {meta.past} in, {meta.future} out; data fingerprint "
        f"`{meta.data_fingerprint}`; made with {made}.",
        "",
        "```yaml",
        yaml.safe_dump(kept, sort_keys=False, default_flow_style=None, width=110).strip(),
        "```",
        "",
        *_terms(data["sources"]),
    ]


def _terms(sources: list[dict[str, Any]]) -> list[str]:
    """A line a set of data it was trained on, with the names of its archives and its terms."""
    known = yaml.safe_load(Path(__file__).with_name("data_terms.yaml").read_text(encoding="utf-8"))
    places = [Path(str(one["settings"].get("path", one["kind"]))).name for one in sources]
    unknown = {"data": "a source that data_terms.yaml does not know", "terms": "unknown"}
    found = [(name, known.get(Path(name).stem, unknown)) for name in places]
    alike: dict[tuple[str, str], list[str]] = {}
    for name, one in found:
        alike.setdefault((one["data"], one["terms"]), []).append(f"`{name}`")
    lines = [[", ".join(names), *told] for told, names in alike.items()]
    return [*table(["trained on", "data", "terms of the data"], lines), ""]


def _comparison(place: Path, name: str) -> list[str]:
    """Skill by country, season and threshold, reliability, and where the reference is ahead."""
    groups = groups_of(place, name)
    compared = beside_one(groups)
    reference = compared[0].reference
    worse = list(behind(compared, name))
    return [
        f"## Skill: by country and season, beside {reference}",
        "",
        f"CSI, mean over lead times; less that of {reference}, calibrated on the same days, with the 95 % "
        "interval where there is more than one block of six hours (paired bootstrap).",
        "",
        *by_country(compared, name),
        "",
        "## Skill: probabilities and fine structure",
        "",
        "Brier skill against the climatology of the sample, mean over lead times; power as a share of what was "
        "observed, mean over lead times and at the last one, of the single field and of members.",
        "",
        *brier(groups, name),
        "",
        "## Skill: reliability",
        "",
        "How often the event came, by tenth of the probability, all lead times; empty where it is forecast in "
        "less than one of a thousand cases.",
        "",
        *reliability(compared, name),
        "",
        f"## Skill: where {reference} is ahead",
        "",
        *(worse or [f"At none of the thresholds and in none of the groups is {reference} ahead."]),
        "",
    ]


def _curve(path: Path) -> list[str]:
    found = rows(path)
    scored = [row for row in found if row["val_loss"]]
    every = max(1, -(-len(scored) // CURVE_ROWS))
    shown = scored[::-1][::every][::-1]
    return [
        "## Learning curve",
        "",
        f"{found[-1]['iteration']} iterations in {float(found[-1]['seconds']) / 60:.0f} minutes; the best on "
        "validation is what is shipped.",
        "",
        "| iteration | minutes | validation loss | CSI20 | CSI30 |",
        "|---|---|---|---|---|",
        *(
            f"| {r['iteration']} | {float(r['seconds']) / 60:.1f} | {float(r['val_loss']):.4f} | "
            f"{float(r['val_csi20']):.3f} | {float(r['val_csi30']):.3f} |"
            for r in shown
        ),
        "",
    ]


def _skill(title: str, place: Path) -> list[str]:
    means = [row for row in rows(place / "scores.csv") if row["lead_minutes"] == "mean"]
    pairs = rows(place / "confidence.csv")
    value = {(r["model"], r["score"], r["threshold_dbz"]): float(r["value"]) for r in means}
    models = list(dict.fromkeys(r["model"] for r in means))
    known = [t for t in THRESHOLDS if (models[0], "csi", t) in value]
    out = [
        f"## Skill: {title}",
        "",
        f"| mean over lead times | {' | '.join(f'CSI{t}' for t in known)} | MAE |",
        "|---|" + "---|" * (len(known) + 1),
    ]
    for model in models:
        cells = [number(value[model, "csi", t], 3) for t in known]
        out.append(f"| {model} | {' | '.join(cells)} | {value[model, 'mae', '']:.2f} |")
    shown = [p for p in pairs if p["measure"] == "csi_difference" and p["threshold_dbz"] in known]
    if shown:
        out += [
            "",
            f"Mean CSI less that of {shown[0]['reference']}, with the 95 % interval where there is more "
            f"than one block of six hours (here {shown[0]['blocks']}; paired bootstrap):",
            "",
            f"| | {' | '.join(f'CSI{t}' for t in known)} |",
            "|---|" + "---|" * len(known),
        ]
    for model in dict.fromkeys(p["model"] for p in shown):
        cells = [interval(p) for p in shown if p["model"] == model]
        out.append(f"| {model} | {' | '.join(cells)} |")
    return [*out, ""]


if __name__ == "__main__":
    sys.exit(main())

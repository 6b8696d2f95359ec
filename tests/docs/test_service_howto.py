"""The units and crontab lines of the how-to are such as systemd and cron take."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "schedule-nowcasts.md"


def _units() -> dict[str, str]:
    blocks = re.findall(r"^```ini\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.M | re.S)
    parts = [part for block in blocks for part in re.split(r"^(?=# /etc/systemd)", block, flags=re.M)]
    found = [re.match(r"# /etc/systemd/system/(\S+)\n(.*)", part, flags=re.S) for part in parts]
    return {match[1]: match[2] for match in found if match}


def test_systemd_takes_the_units(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here: install systemd")
    units = _units()
    assert sorted(units) == ["nowcast-cycle.service", "nowcast-cycle.timer", "nowcast.service"]
    for name, text in units.items():
        here = text.replace("/srv/nowcast/.venv/bin/nowcast", "/bin/true").replace("User=nowcast", "User=root")
        (tmp_path / name).write_text(here)
    done = subprocess.run(
        ["systemd-analyze", "verify", *(f"./{name}" for name in units)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_crontab_line_has_five_fields_and_the_exit_codes_systemd_is_told_exist():
    text = PAGE.read_text(encoding="utf-8")
    line = next(x for x in text.splitlines() if "nowcast cycle" in x and x.startswith("*"))
    fields, command = line.split(None, 5)[:5], line.split(None, 5)[5]
    assert all(re.fullmatch(r"\*(/\d+)?|\d+", field) for field in fields)
    assert command.startswith("cd ")
    assert "%" not in command
    assert "SuccessExitStatus=3\n" in _units()["nowcast-cycle.service"]

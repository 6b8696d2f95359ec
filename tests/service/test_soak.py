"""The soak: cycles with faults thrown in at random, held against what the service promises."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_hundred_cycles_with_faults_keep_every_promise(tmp_path):
    report = tmp_path / "soak.json"
    command = [
        sys.executable,
        str(ROOT / "scripts" / "soak_service.py"),
        "--cycles",
        "100",
        "--seed",
        "7",
        "--report",
        str(report),
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=3600,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert report.exists(), done.stderr
    found = json.loads(report.read_text())
    assert found["broken"] == []
    assert done.returncode == 0
    assert found["faults"]["kill"] > 5
    assert found["outcomes"]["killed"] > 0
    assert found["outcomes"]["published"] > 30
    assert found["nowcasts_published"] > 50
    assert found["one_process"]["open_files_growth"] == 0
    assert "Every requirement held." in report.with_suffix(".md").read_text()

"""What tests of several parts share: a real browser, and property tests that try the same inputs every time.

``NOWCAST_FUZZ=random`` lets hypothesis draw new inputs; what it finds becomes a test of its own.
"""

import os
from pathlib import Path

import dask
import pytest
from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("random", deadline=None)
settings.load_profile("random" if os.environ.get("NOWCAST_FUZZ") == "random" else "same")

# A read that fails in one of dask's threads leaves the others in HDF5, which no test must find there.
dask.config.set(scheduler="synchronous")

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def browser():
    """Debian's chromium, driven by playwright; skips with a reason where one of them is absent."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}: apt-get install chromium")
    with playwright.sync_playwright() as running:
        found = running.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield found
        found.close()

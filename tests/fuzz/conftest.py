"""Count what the fuzz tests tried, over all processes, and print it."""

import pytest

from tests.fakes.endings import TRIED


def pytest_sessionfinish(session):
    worker = getattr(session.config, "workeroutput", None)
    if worker is not None:
        worker["tried"] = dict(TRIED)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    TRIED.update(getattr(node, "workeroutput", {}).get("tried", {}))


def pytest_terminal_summary(terminalreporter):
    kinds = sorted(kind for kind in TRIED if not kind.endswith(", refused"))
    if kinds:
        terminalreporter.section("inputs tried by the fuzz tests")
        for kind in kinds:
            terminalreporter.line(f"{kind}: {TRIED[kind]}, refused {TRIED[f'{kind}, refused']}")
        terminalreporter.line(f"together: {sum(TRIED[kind] for kind in kinds)}")


@pytest.fixture(params=[1, pytest.param(8, marks=pytest.mark.slow)], ids=["few", "many"])
def times(request):
    """How many times as many inputs: some in the quick tests, many in the slow ones."""
    return request.param

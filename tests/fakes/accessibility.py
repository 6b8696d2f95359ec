"""What axe-core finds wrong with a page that a browser shows."""

import gzip
from pathlib import Path

AXE = Path(__file__).resolve().parents[1] / "axe" / "axe.min.js.gz"


def troubles_of(page):
    """Violations of WCAG 2.2 A and AA, as a rule and what breaks it."""
    page.evaluate(gzip.decompress(AXE.read_bytes()).decode())
    found = page.evaluate(
        """async () => {
            const runOnly = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
            const told = node => node.target.join(' ') + ' ' + node.failureSummary;
            return (await axe.run(document, {runOnly})).violations.map(v => [v.id, v.nodes.map(told)]);
        }"""
    )
    return dict(found)

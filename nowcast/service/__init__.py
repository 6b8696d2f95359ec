"""One nowcast cycle, its schedule and its ledger."""

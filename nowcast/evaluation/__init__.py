"""Verification of nowcasts over a period: windows, pooled scores, comparison, calibration, report."""

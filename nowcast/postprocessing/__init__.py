"""Post-processing: steps that take a forecast Dataset and return one with more, or better calibrated, in it."""

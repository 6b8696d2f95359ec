"""The way each thing is done, once: ingest, forecast, verify, calibrate, train. Also the Python API."""

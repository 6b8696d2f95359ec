"""From radar files to the archive: readers and the pipeline that scans, plans, reads and writes.

pyproj is imported first on purpose: loading ecCodes before PROJ aborts the process.
"""

import pyproj as _pyproj  # noqa: F401

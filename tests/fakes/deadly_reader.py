"""A reader whose library ends the process on one file."""

import os

from nowcast.ingestion.readers.catalog import reader_named


class DeadlyReader:
    """Reads CF netCDF, and crashes on a file of one name."""

    name = "deadly"

    def __init__(self, word):
        self.word = word

    def sniff(self, path):
        return True

    def open(self, path):
        if self.word in path.name:
            os._exit(11)
        return reader_named("cf_netcdf").open(path)

"""One file a radar format; catalog.READERS names them all."""

"""An HTTP API of forecasts: OGC EDR queries, tiles, WMS and files; reads only, and writes nothing."""

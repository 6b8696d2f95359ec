"""One thin file a command: parse, build, call, exit."""

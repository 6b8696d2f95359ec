"""SimVP: all frames in, all frames out, convolutions alone; TAU is one of its translators."""

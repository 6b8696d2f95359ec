"""Files of any naming through a small YAML file: what is what in them, where and when they are."""

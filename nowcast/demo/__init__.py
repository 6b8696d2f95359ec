"""The main job on data that the package makes itself."""

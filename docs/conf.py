"""Settings of the site (Sphinx, MyST, Furo): all lies in the built folder, nothing is asked of the network.

`python scripts/build_docs.py` gathers the pages and builds them with these settings.
"""

from nowcast.core.version import __version__

project = "nowcast"
author = "the authors of nowcast"
project_copyright = "the authors of nowcast, Apache-2.0"
version = release = __version__
language = "en"

extensions = ["myst_nb"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
myst_enable_extensions = ["colon_fence", "attrs_inline"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # outputs are stored; a slow test holds them against a fresh run
nb_mime_priority_overrides = [("html", "text/html", 0), ("html", "text/plain", 20)]
maximum_signature_line_length = 88
add_module_names = False
toc_object_entries = False
highlight_language = "text"
exclude_patterns = ["conf.py"]

html_theme = "furo"
html_title = f"nowcast {__version__}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_theme_options = {"source_repository": "", "navigation_with_keys": True}

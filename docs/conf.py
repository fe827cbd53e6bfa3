"""How the pages become a site: ``nox -s docs``. Every warning is an error there."""

from importlib.metadata import version as installed

project = "marl-eval"
copyright = "the marl-eval authors, Apache-2.0"
release = version = installed("marl-eval")

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
# Links may name any heading down to this level; one that is not there is a warning.
myst_heading_anchors = 4
nitpicky = True
# A command is shown as it is typed: -- stays two hyphens.
smartquotes = False

html_theme = "furo"
html_title = "marl-eval"
# Nothing is fetched from another place, neither when the site is built nor when it is read.
html_show_sphinx = False

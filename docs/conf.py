from pallets_sphinx_themes import get_version

project = "Flask-Loop"
copyright = "2026 Flask-Loop contributors"
release, version = get_version("Flask-Loop")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "pallets_sphinx_themes",
]
exclude_patterns = ["_build"]
default_role = "code"
# Pygments does not know that a quoted argument in a console block may go on in the next line.
suppress_warnings = ["misc.highlighting_failure"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"

html_theme = "flask"
html_title = f"Flask-Loop {version}"
html_show_sourcelink = False

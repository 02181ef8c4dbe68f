from pallets_sphinx_themes import get_version

project = "Flask-Loop"
copyright = "2026 Flask-Loop contributors"
release, version = get_version("Flask-Loop")

extensions = [
    "sphinx.ext.autodoc",
    "pallets_sphinx_themes",
]
exclude_patterns = ["_build"]
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "description"

html_theme = "flask"
html_title = f"Flask-Loop {version}"
html_show_sourcelink = False

"""Build the documentation: ``sphinx-build -W -b html docs build/docs``, then open ``build/docs/index.html``."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from itertools import accumulate
from os.path import relpath
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import clipspace  # noqa: E402

project = "clipspace"
author = copyright = "The clipspace authors"
version = release = clipspace.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.viewcode"]
html_theme = "furo"
html_title = f"clipspace {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False

myst_heading_anchors = 4
nb_execution_mode = "off"
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
add_module_names = False
python_maximum_signature_line_length = 100
default_role = "py:obj"

SHOWN = {
    "contributing": "CONTRIBUTING.md",
    "changelog": "CHANGELOG.md",
    "security": "SECURITY.md",
    "gallery": "figures/gallery/README.md",
    "model-card": "clipspace/mini/MODEL_CARD.md",
}
"""The file outside of this folder that a page includes."""
LEFT_OUT = {"cli", "mini", "__main__"}
"""Of the package: the command line has its own --help, and the mini space is described by its model card."""
LONGEST_VALUE = 120
"""Characters of the value of a constant."""
_SECTION = re.compile(r"^([A-Z]\w+)\n-{3,}\n((?:.*\S.*\n?)+)", re.MULTILINE)
_ITEM = re.compile(r"^(\S.*?)(?: : |\n +)(.*(?:\n +.*)*)", re.MULTILINE)
_GALLERY = re.compile(r"^!\[(.*?)\]\((\.\./figures/gallery/(\w+)\.png)\)$", re.MULTILINE)
_BAR = re.compile(r"(``.*?``|`[^`]*`)|\|")


def modules_by_part() -> dict[str, list[str]]:
    """The modules of each part of the package, by file: those that cannot be imported are an error, not left out."""
    by_part: dict[str, list[str]] = {}
    for path in sorted((ROOT / "clipspace").rglob("*.py")):
        names = path.relative_to(ROOT).with_suffix("").parts
        if not LEFT_OUT & set(names):
            name = ".".join(names).removesuffix(".__init__")
            by_part.setdefault(".".join(name.split(".")[:2]), []).append(name)
    return by_part


def write_api_pages(app) -> None:
    """A page for each part of the package, and on it a section for each of its modules."""
    folder = Path(app.srcdir, "api")
    folder.mkdir(exist_ok=True)
    for part, names in modules_by_part().items():
        page, text = folder / f"{part}.rst", "\n".join(map(_section, sorted(names)))
        if not page.exists() or page.read_text() != text:
            page.write_text(text)


def _section(name: str) -> str:
    """The section of a module, without what a package above it shows as its own. Of clipspace itself it is a table."""
    above = list(accumulate(name.split("."), "{}.{}".format))[1:-1]
    elsewhere = ", ".join(shown for package in above for shown in getattr(import_module(package), "__all__", ()))
    title = f"{name}\n{'=-'[bool(above)] * len(name)}\n\n.. automodule:: {name}\n"
    if name == "clipspace" or not (ROOT / name.replace(".", "/")).is_dir():
        title += "   :ignore-module-all:\n"
    if name != "clipspace":
        return f"{title}   :exclude-members: {elsewhere}\n" if elsewhere else title
    homes = "".join(f"   ~{clipspace._HOME_OF[public]}.{public}\n" for public in clipspace.__all__)
    return f"{title}\n.. autosummary::\n   :nosignatures:\n\n{homes}"


def as_fields(app, what, name, object_, options, lines: list[str]) -> None:
    """Sections of a docstring, whose lines are ``name : what it is``, become fields; a bar is a bar."""
    text = _SECTION.sub(_field, "\n".join(lines))
    lines[:] = [line if ">>>" in line else _BAR.sub(lambda bar: bar[1] or r"\|", line) for line in text.split("\n")]


def as_parsed(app, what, name, object_, options, signature, returned):
    """A signature whose defaults can be parsed, and so be set: those that a dataclass makes anew cannot."""
    return signature and signature.replace("<factory>", "..."), returned


def _field(section: re.Match) -> str:
    if section[1] == "Returns":
        return f":Returns: {' '.join(section[2].split())}\n"
    items = (f"    - **{called}**: {' '.join(text.split())}\n" for called, text in _ITEM.findall(section[2]))
    return f":{section[1]}:\n{''.join(items)}"


def shorten_values(app, document) -> None:
    """A long value of a constant is left to the source."""
    from docutils.nodes import Text
    from sphinx.addnodes import desc_annotation

    for value in document.findall(desc_annotation):
        if value.astext().startswith(" = ") and len(value.astext()) > LONGEST_VALUE:
            value[:] = [Text(" = …")]


def with_captions(app, docname: str, source: list[str]) -> None:
    """Figures of the gallery stand above their captions, which lie beside them."""
    source[0] = _GALLERY.sub(_figure, source[0])


def _figure(link: re.Match) -> str:
    caption = ROOT / "figures" / "gallery" / f"{link[3]}.md"
    text = caption.read_text() if caption.exists() else ""
    return f"```{{figure}} {link[2]}\n:alt: {link[1]}\n\n{text.strip()}\n```"


def lead_inside(app, document) -> None:
    """Links to files of the repository lead to the page that shows them, else to the file, as they do on GitHub."""
    from sphinx.addnodes import download_reference, pending_xref

    here, folder = (
        ROOT / SHOWN.get(app.env.docname, f"docs/{app.env.docname}"),
        Path(app.srcdir, app.env.docname).parent,
    )
    for link in [*document.findall(download_reference), *document.findall(pending_xref)]:
        target, _, anchor = link["reftarget"].partition("#")
        if link["reftype"] != "myst" or not (link["refdomain"] is None or target.startswith("/")):
            continue
        file = (here.parent / target).resolve()
        known = {"refdoc": app.env.docname, "refexplicit": True}
        if page := _page(file):
            known |= {"reftype": "myst", "refdomain": "doc", "reftargetid": anchor or link.get("reftargetid")}
            link.replace_self(pending_xref("", *link.children, reftarget=page, **known))
        elif file.is_file():
            known |= {"reftype": "download", "refdomain": "", "reftarget": relpath(file, folder)}
            link.replace_self(download_reference("", "", *link.children, **known))


def _page(path: Path) -> str | None:
    """The page about a file or folder of the repository, None where there is none."""
    if not path.is_relative_to(ROOT):
        return None
    pages = {ROOT / file: page for page, file in {**SHOWN, "index": "README.md"}.items()}
    inside = path.relative_to(ROOT).with_suffix("").parts
    known = pages.get(path) or pages.get(path.with_suffix(".md"))
    if known or inside[:1] not in (("clipspace",), ("docs",)):
        return known
    return "/".join(inside[1:]) if inside[0] == "docs" else f"api/{'.'.join(inside[:2])}"


def find_by_last_name(app, env, node, contnode):
    """The reference to a name of the package that is written without its module, where one thing alone has it."""
    from sphinx.util.nodes import make_refnode

    if node.get("refdomain") != "py":
        return None
    target, objects = node["reftarget"], env.domains.python_domain.objects
    found = [name for name in objects if name.endswith(f".{target}")]
    if (
        not found and f"clipspace.{target.removeprefix('clipspace.').split('.')[0]}" in objects
    ):  # moved on within its part
        found = [name for name in objects if name.rpartition(".")[2] == target.rpartition(".")[2]]
    if len(found) != 1:
        return None
    thing = objects[found[0]]
    return make_refnode(app.builder, node["refdoc"], thing.docname, thing.node_id, contnode, found[0])


def setup(app) -> None:
    """Connect the pages of the API, and what this project's docstrings need."""
    app.connect("builder-inited", write_api_pages)
    app.connect("source-read", with_captions)
    app.connect("autodoc-process-docstring", as_fields)
    app.connect("autodoc-process-signature", as_parsed)
    app.connect("doctree-read", shorten_values)
    app.connect("missing-reference", find_by_last_name)
    app.connect("doctree-read", lead_inside, priority=100)  # before files to download are collected

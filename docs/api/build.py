"""Build the API pages from the docstrings: ``python docs/api/build.py -o build/api``, then open its ``index.html``."""

from __future__ import annotations

import argparse
import pkgutil
import re
import warnings
from pathlib import Path

import pdoc

import clipspace
from clipspace import errors, probes

LEFT_OUT = {"cli", "mini"}
"""Of the package: the command line has its own --help, and the mini space is described by its model card."""
PARTS = sorted({module.name for module in pkgutil.iter_modules(clipspace.__path__)} - LEFT_OUT)
_SECTION = re.compile(r"^([A-Z]\w+)\n-{3,}\n((?:.*\S.*\n?)+)", re.MULTILINE)
_MODULE = re.compile(rf"(?<=`)(?=(?:{'|'.join(PARTS)})\.\w)")
_ERROR = re.compile(rf"`({'|'.join(name for name in dir(errors) if name.endswith(('Error', 'Warning')))})`")


def build(folder: Path) -> None:
    """Write the pages of every public module into ``folder``. What cannot be imported or shown is an error."""
    for package in (clipspace, probes):  # whose names load when first used, and pdoc uses none
        vars(package).update({name: getattr(package, name) for name in package.__all__})
    clipspace.__all__ += PARTS
    pdoc.render.configure(
        docformat="markdown",
        footer_text=f"clipspace {clipspace.__version__}",
        template_directory=Path(__file__).parent,
    )
    pdoc.render.env.filters["to_markdown"] = as_markdown
    with warnings.catch_warnings():
        warnings.filterwarnings("error", module="pdoc")
        warnings.filterwarnings("ignore", "Error parsing type annotation")  # of a class that a package shows as its own
        warnings.filterwarnings("ignore", ".* may refer to either")
        pdoc.pdoc("clipspace", output_directory=folder)


def as_markdown(docstring: str) -> str:
    """A docstring as Markdown: sections of ``name : what it is`` become lists, and modules and errors links."""
    linked = _ERROR.sub(r"`clipspace.errors.\1`", _MODULE.sub("clipspace.", docstring))
    return _SECTION.sub(_listed, linked)


def _listed(section: re.Match) -> str:
    if section[1] == "Returns":
        return f"**Returns**\n\n{section[2]}"
    items = re.findall(r"^\S.*(?:\n[ ]+.*)*", section[2], re.MULTILINE)
    bold = (re.sub(r"^(.+?)(?: : |\n)", r"**\1**: ", item, count=1) for item in items)
    lines = (" ".join(line.split()) for line in bold)
    return f"**{section[1]}**\n\n" + "".join(f"- {line}\n" for line in lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("build/api"))
    build(parser.parse_args().output)

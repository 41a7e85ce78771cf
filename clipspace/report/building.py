"""Reports: run analyses, draw them, and write one page that opens offline."""

from __future__ import annotations

import shlex
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from clipspace import progress
from clipspace.analyses import about, caption, draw, names, question
from clipspace.analyses.asking import Brought, ask, bring, missing, sampler_steps
from clipspace.errors import CapabilityError, ClipspaceError, InputError, shortened
from clipspace.files import check_writable
from clipspace.plot import save_figure
from clipspace.points.store import Store
from clipspace.report.atlas import atlas
from clipspace.report.kept import is_kept, keep, kept, recipe_of
from clipspace.report.page import Section, write_page
from clipspace.report.plan import EXPLORER, planned
from clipspace.results.provenance import provenance
from clipspace.results.result import Result
from clipspace.sources import Source
from clipspace.space import Space, load_space


def write_report(
    folder: str | Path,
    images: Sequence | None = None,
    *,
    space: str = "mini",
    only: Sequence[str] | None = None,
    explore: bool = True,
    store: str | Path | Store | None = None,
    source: str | Path | Source | None = None,
    seed: int = 0,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
    overwrite: bool = False,
    **loading: Any,
) -> Path:
    """Run analyses of ``space``, and write their results, figures and one page into ``folder``; returns the page.

    Each analysis is computed on what is given, and the first line of its section says on what: points of ``store`` where
    it measures points, images of ``source`` where it shows images, those that the store was encoded from; or ``images``,
    files or folders of them, which are encoded once. One that cannot be computed on what is given is left out, with the
    reason. Where nothing is given, all are computed on rendered scenes. ``only`` names some of
    `clipspace.analyses.names`, all when None. ``explore`` puts a map of the points on the page. ``num_inference_steps`` and
    ``guidance_scale`` are those of all analyses that draw and set none of their own. ``loading`` are options of `load_space`.

    Wrong arguments, and inputs on which no analysis can be computed, raise an error before a model is loaded. Where an
    analysis fails later, a warning and the page give its error. A run that was stopped goes on where the same call is made
    again: results in the folder that were made with the same options, models and versions on the same inputs are used again.
    Where progress is shown (`clipspace.progress`), the plan is told first, with a guess of the time.
    """
    folder, analyses_to_run = Path(folder), _choose(only)
    if source is not None and store is None:  # said before the folder is made
        raise InputError("report: expected the store that was encoded from the source, got none; pass --store")
    page = _page_of(folder, overwrite)
    with tempfile.TemporaryDirectory() as spool:
        brought = bring(images, store, source, Path(spool), seed=seed)
        reasons = _left_out(analyses_to_run, brought)
        _make_folder_of(page)
        loaded = load_space(space, **loading)
        loaded = loaded.with_defaults(num_inference_steps=num_inference_steps, guidance_scale=guidance_scale)
        brought.check(loaded)
        sampling = {"steps": num_inference_steps, "guidance": guidance_scale}
        space_options = f"--space {space}{_flags(loading | sampling)} --seed {seed}"
        called = f"clipspace report{_arguments(images, store, source)}"
        made_with = {"asked": space_options, **provenance("report", loaded).to_dict()}
        to_make = [name for name in analyses_to_run if name not in reasons]
        is_made = {name: is_kept(folder, name, brought, made_with) for name in to_make}
        sections, explorer = {}, None
        for name in analyses_to_run:
            empty = Section(about(name).title, question(name)[0], command=f"{called} --only {name} {space_options}")
            sections[name] = replace(empty, data=f"Left out: {reasons[name]}.") if name in reasons else empty
        with planned(loaded, is_made, explore=explore, folder=folder) as begin:
            for name in to_make:
                begin(name)
                options = {"seed": seed, **sampler_steps(name, num_inference_steps)}
                sections[name] = _section(name, sections[name], loaded, brought, folder, made_with, options)
            if explore:
                begin(EXPLORER)
                explorer = _explorer(loaded, brought, seed)
    intro = f"Space {loaded.stamp}, seed {seed}. Every figure is also a PDF in this folder, with its numbers as csv and json."
    title = f"clipspace: {loaded.name}"
    return write_page(page, title, list(sections.values()), intro=intro, explorer=explorer, overwrite=True)


def _choose(only: Sequence[str] | None) -> list[str]:
    """The analyses asked for, in the order of a report."""
    unknown = sorted(set(only or ()) - set(names()))
    if unknown:
        raise InputError(f"report: expected some of {list(names())}, got {shortened(unknown)}")
    return [name for name in names() if only is None or name in only]


def _left_out(analyses_to_run: Sequence[str], brought: Brought) -> dict[str, str]:
    """The reasons, by name, why analyses cannot be computed on these inputs. Raises `InputError` where none can."""
    reasons = {name: reason for name in analyses_to_run if (reason := missing(name, brought))}
    lines = [f"left out {name}: {reason}" for name, reason in reasons.items()]
    if len(reasons) == len(analyses_to_run):
        raise InputError(f"report: expected what an analysis can be computed on, got none; {'; '.join(lines)}")
    for line in lines:
        progress.say(f"report: {line}")
    return reasons


def _page_of(folder: Path, overwrite: bool) -> Path:
    """The path of the page. Raises `InputError` for an existing page that may not be replaced."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"report: expected a folder, got the file {str(folder)!r}; choose another name")
    page = folder / "index.html"
    if page.exists() and not overwrite:
        raise InputError(f"report: {str(folder)!r} holds a page already; choose another folder with -o, or --overwrite")
    return page


def _make_folder_of(page: Path) -> None:
    """Make the page's folder, after the inputs were read, and check that it can be written to."""
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"report: could not make the folder {str(page.parent)!r}: {error}") from error
    check_writable(page, overwrite=True)


def _arguments(images: Sequence | None, store: Any, source: Any) -> str:
    """The inputs as arguments of a command line; in capitals where an input has no path."""
    words = []
    if images is not None:
        paths = [str(image) for image in images if isinstance(image, (str, Path))]
        words += paths if len(paths) == len(images) <= 3 else ["IMAGES"]
    if store is not None:
        words += ["--store", str(store.path if isinstance(store, Store) else store)]
    if source is not None:
        words += ["--source", "SOURCE" if isinstance(source, Source) else str(source)]
    return "".join(f" {shlex.quote(word)}" for word in words)


def _flags(options: Mapping[str, Any]) -> str:
    """Options of loading and sampling as a command line writes them; those of the machine, and those that say nothing, left out."""
    told = {key: value for key, value in options.items() if value is not None and key not in ("device", "offload")}
    usual = {"dtype": "float32"}
    words = {key: "none" if value is False else str(value) for key, value in told.items() if usual.get(key) != value}
    return "".join(f" --{key} {shlex.quote(word)}" for key, word in words.items())


def _section(
    name: str,
    section: Section,
    space: Space,
    brought: Brought,
    folder: Path,
    made_with: dict[str, Any],
    options: dict[str, Any],
) -> Section:
    """The section of one analysis, computed or loaded, with its figure; or with its error, where it fails."""
    try:
        result = _result(name, space, brought, folder, made_with, options)
    except CapabilityError as error:
        return replace(section, data=f"Not run: {error}")
    except Exception as error:  # whatever it is, the other sections are kept
        return replace(section, data=_failure(name, error))
    described = replace(
        section,
        data=result.provenance.data,
        question=" ".join([section.question, *question(name)[1]]),
        seen=" ".join(result.findings),
        table=_table(result),
        files=[f"{name}{suffix}" for suffix in (".csv", ".json", ".npz")],
        provenance=result.provenance.to_dict(),
    )
    try:
        pdf, png = save_figure(draw(result), folder / name)
        below = caption(result)
    except Exception as error:  # the numbers are kept
        return replace(described, seen=f"{described.seen} {_failure(name, error, 'Its figure could not be drawn')}")
    return replace(described, pictures=[png.name], caption=below, files=[pdf.name, *described.files])


def _table(result: Result) -> list[list[Any]]:
    """The numbers as rows under a header, without the columns that are empty for what was given."""
    columns = [key for key in result.table.columns if any(row[key] not in (None, "") for row in result.table)]
    return [columns, *([row[key] for key in columns] for row in result.table)] if columns else []


def _failure(name: str, error: Exception, beginning: str = "Not computed") -> str:
    """The page's sentence about an error; warns of it as well."""
    message = str(error) if isinstance(error, ClipspaceError) else f"{type(error).__name__}: {error}"
    warnings.warn(f"report: {name}: {beginning[0].lower()}{beginning[1:]}: {message}", stacklevel=3)
    return f"{beginning}: {message}"


def _explorer(space: Space, brought: Brought, seed: int) -> str | None:
    try:
        return atlas(space, brought.points, seed=seed)
    except Exception as error:  # the sections are kept
        _failure("explorer", error)
        return None


def _result(
    name: str, space: Space, brought: Brought, folder: Path, made_with: dict[str, Any], options: dict[str, Any]
) -> Result:
    """The result in ``folder`` if it was made with the same options on the same data, else a new one, saved there."""
    recipe = recipe_of(name, brought, made_with)
    result = kept(folder, name, recipe)
    if result is None:
        result = ask(name, space, brought, **options)
        keep(folder, result, recipe)
    return result

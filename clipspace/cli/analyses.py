"""Commands that ask one question of a space, and draw the answer: ``clipspace analyse NAME`` and ``clipspace draw RESULT``."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from clipspace.analyses import about, analysis, caption, names, question
from clipspace.analyses import draw as draw_figure
from clipspace.analyses.asking import sampler_steps
from clipspace.cli.chosen import Chosen, takes_space
from clipspace.cli.options import Json, Overwrite, Seed, Source, listed, option_of
from clipspace.cli.options import report as say
from clipspace.errors import InputError

app = typer.Typer()

Images = Annotated[
    list[Path] | None, typer.Argument(help="Your images, or folders of them; rendered scenes by default.")
]
Texts = Annotated[list[str] | None, typer.Argument(help="Your captions; captions of rendered scenes by default.")]
StoreOf = Annotated[Path | None, typer.Option("--store", help="Store whose embeddings are analysed.")]
Folder = Annotated[
    Path, typer.Option("--output", "-o", help="Folder to write the result to, as NAME.json, .csv and .npz.")
]
Quick = Annotated[
    bool,
    typer.Option("--quick", help="Take seconds, with fewer examples and steps; options that you set are kept."),
]
_TYPED = {"seed": Seed}
_FIRST = {"images": Images, "texts": Texts}
_SETS = {"store": StoreOf, "source": Source}
_LAST = {
    "space": (Chosen, Parameter.empty),
    "output": (Folder, Path("results")),
    "quick": (Quick, False),
    "overwrite": (Overwrite, False),
    "as_json": (Json, False),
}


class _Questions(TyperGroup):
    """One command for each analysis, made when it is asked for. Its options are those of the analysis' ``run``."""

    def list_commands(self, ctx: typer.Context) -> list[str]:
        return list(names())

    def get_command(self, ctx: typer.Context, cmd_name: str):
        name = cmd_name.replace("-", "_")
        return _command(name) if name in self.list_commands(ctx) else None


@app.command()
def draw(
    result: Annotated[Path, typer.Argument(help="The .json file that `clipspace analyse` or `report` saved.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Path of the figure, or a folder; by default beside the result."),
    ] = None,
    venue: Annotated[
        str, typer.Option(help="Venue whose text width and fonts are used: neurips, iclr, icml, cvpr, eccv or tmlr.")
    ] = "neurips",
    as_json: Json = False,
) -> None:
    """Draw a saved result as PDF and PNG with its caption, without loading a model (clipspace.analyses.draw)."""
    from clipspace.plot import save_figure
    from clipspace.results.loading import load_result

    loaded = load_result(result)
    target = output or result.with_suffix("")
    figure, path = draw_figure(loaded, venue=venue), target / loaded.name if target.is_dir() else target
    paths = save_figure(figure, path, caption=caption(loaded))
    data = paths[0].with_suffix(".json")
    if data.resolve() != result.resolve():  # a figure never stands without its numbers and its provenance
        paths.append(loaded.save(data.parent, name=data.stem))
    say({"written": [str(path) for path in paths]}, as_json, f"wrote {' '.join(map(str, paths))}")


questions = typer.Typer(
    cls=_Questions,
    name="analyse",
    help="Run one analysis and save its result: numbers, findings, and the data that `clipspace draw` needs.",
    no_args_is_help=True,
)
app.add_typer(questions)


def _command(name: str):
    """The command of one analysis."""
    the_question, paragraphs = question(name)
    command = typer.Typer(add_completion=False)
    command.command(name, short_help=the_question, help="\n\n".join([the_question, *paragraphs]))(_call(name))
    return typer.main.get_command(command)


def _call(name: str) -> Callable[..., None]:
    """The function of the command, with its arguments as signature, which runs the analysis."""
    description = about(name)
    parameters = signature(analysis(name).run).parameters
    defaults = {key: parameters[key].default for key in (*description.options, *_TYPED) if key in parameters}
    arguments = {key: (kind, None) for key, kind in _FIRST.items() if key in parameters}
    arguments |= {key: (kind, None) for key, kind in _SETS.items() if description.takes != ("scenes",)}
    arguments |= {
        key: (_TYPED.get(key) or option_of(key, description.options[key], usual), usual)
        for key, usual in defaults.items()
    }
    arguments |= _LAST

    def call(**values: Any) -> None:
        options = {key: values.pop(key) for key in defaults}
        usual = {key: listed(value) for key, value in defaults.items()}
        if values.pop("quick"):
            options |= {key: value for key, value in description.quick.items() if options.get(key) == usual.get(key)}
        _analyse(name, options | sampler_steps(name, values["space"].steps), **values)

    by_name = {
        key: Parameter(key, Parameter.KEYWORD_ONLY, default=listed(usual)) for key, (_, usual) in arguments.items()
    }
    call.__signature__ = Signature([by_name[key].replace(annotation=kind) for key, (kind, _) in arguments.items()])
    call.__annotations__ = {key: kind for key, (kind, _) in arguments.items()}
    return takes_space(call)


def _analyse(
    name: str,
    options: dict[str, Any],
    *,
    images: list[Path] | None = None,
    texts: list[str] | None = None,
    store: Path | None = None,
    source: str | None = None,
    space: Chosen,
    output: Path,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Run an analysis on these inputs; check first that it can be computed and saved."""
    from clipspace.analyses.asking import MOST_IMAGES, ask, bring, missing
    from clipspace.files import check_writable

    options = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    rows = options["n"] if about(name).rows else MOST_IMAGES if images else None
    with tempfile.TemporaryDirectory() as spool:
        brought = bring(images or None, store, source, Path(spool), rows=rows, seed=options["seed"])
        if not texts and (reason := missing(name, brought)):
            raise InputError(f"{name} cannot be computed on what is given: {reason}")
        output.mkdir(parents=True, exist_ok=True)
        check_writable(output / f"{name}.json", overwrite=overwrite)
        loaded = space.load()
        brought.check(loaded)
        result = ask(name, loaded, brought, **options, **({"texts": texts} if texts else {}))
    path = result.save(output)
    answer = {
        "result": str(path),
        "data": result.provenance.data,
        "findings": result.findings,
        "table": list(result.table),
    }
    say(answer, as_json, "\n".join([result.provenance.data, *result.findings, f"wrote {path}"]))

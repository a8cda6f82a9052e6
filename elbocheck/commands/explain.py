"""`elbocheck explain`: the terms of one bound, before and after training."""

from __future__ import annotations

import argparse

from elbocheck.commands.arguments import Commands, add_backend, backend_of, refuse_empty, seed
from elbocheck.errors import harmless
from elbocheck.files import different, writable
from elbocheck.output import complain


def add(commands: Commands) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "explain",
        help="show every term of a bound, before and after training",
        description="Show every term of the ELBO and of the entropy sum at random parameters and where training stops: "
        "what cancels, what remains, and why.",
    )
    parser.add_argument("model", metavar="MODEL", help="a model (see `elbocheck list`), or model/posterior")
    parser.add_argument("--data", metavar="NAME|FILE.csv", help="data set (default: the one it is verified on)")
    parser.add_argument("--latents", type=int, metavar="K", help="latents on --data (default 2)")
    parser.add_argument("--seed", type=seed, default=0, help="seed of the start (default 0)")
    parser.add_argument("--plot", metavar="FILE.png|svg", help="plot F, S and the entropies (extra: report)")
    parser.add_argument("--dark", action="store_true", help="plot for a dark background")
    add_backend(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """The exit code."""
    refuse_empty(options)
    different({"--plot": options.plot}, {"--data": options.data})
    plot = None if options.plot is None else writable(options.plot)
    if plot is not None:
        from elbocheck.report.plot import check_available

        check_available(options.plot)
    backend = backend_of(options)
    from elbocheck.report.explain import lines
    from elbocheck.runs.explain import explain, sample_for

    sample, data, rows = sample_for(options.model, options.data, options.latents, options.seed, backend)
    explanation = explain(sample, data, rows)
    print(harmless("\n".join(lines(explanation))))
    if plot is not None:
        from elbocheck.report.plot import draw

        try:
            draw(explanation.steps, f"{sample.cell.name} on {data}", plot, options.dark)
        except OSError as error:
            complain(f"the plot could not be written to {plot}: {error.strerror or error}")
    return 0

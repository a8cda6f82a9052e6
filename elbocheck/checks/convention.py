"""What is reported should be an ELBO, in nats per datum: not a loss, not a total over the data, not a mean over more.

Rejects: a sign, and a factor of the number of data, of batches or of dimensions, on the whole of a correct bound.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from elbocheck.bound.problem import Problem
from elbocheck.bound.reading import Reading, read
from elbocheck.checks.check import Check
from elbocheck.checks.compare import Deviation, judge
from elbocheck.outcome import Result

NAME = "convention"
MOST_NAMES = 3
"""What one multiple is said to be."""


def convention(problem: Problem) -> Result | None:
    """That no other factor than 1 makes the reported ELBO equal the declared one; None if no ELBO is reported."""
    if problem.elbo is None:
        return None
    terms = read(problem)
    found = factor(problem, terms)
    deviations = []
    if found is not None:
        name, times = found
        what = f"the reported ELBO {terms.elbo:.9g} is {name} ({terms.declared:.9g} in nats per datum): it"
        deviations.append(Deviation(what, abs(terms.elbo - terms.declared), noise(terms, times)))
    return judge(NAME, problem.label, deviations)


def noise(terms: Reading, times: float) -> float:
    """Rounding of F against a multiple of it."""
    return 2 * terms.constant * terms.scale * max(abs(times), 1.0)


def factor(problem: Problem, terms: Reading) -> tuple[str, float] | None:
    """(name, factor ≠ 1) if the reported ELBO is that factor times the declared one, to rounding; else None."""
    for name, times in factors(problem):
        within = noise(terms, times)
        told_apart = abs((times - 1.0) * terms.declared) > 100 * within
        if told_apart and abs(terms.elbo - times * terms.declared) <= within:
            return name, times
    return None


def factors(problem: Problem) -> Iterator[tuple[str, float]]:
    """Factors that bounds are off by, with names for messages."""
    data = len(read(problem).data_weights)
    named = [("the loss, which has the other sign", -1.0)]
    for sign, loss in ((1.0, ""), (-1.0, ", as a loss")):
        named.append((f"twice as large{loss}", sign * 2.0))
        named.append((f"half as large{loss}", sign * 0.5))
        named.append((f"the total over N = {data} data{loss}", sign * data))
        named.append((f"divided by N = {data} once too often{loss}", sign / data))
        for batch in range(2, data):
            if data % batch == 0:
                batches = problem.subset is not None  # a batch is named only where there may be one
                of_batch = f"the total of a batch of {batch}" if batches else f"multiplied by {batch}"
                of_data = f"N / batch, {data} / {batch}" if batches else f"{data // batch}"
                named.append((f"{of_batch}{loss}", sign * batch))
                named.append((f"multiplied by {of_data}{loss}", sign * data / batch))
        for count in sorted({*_points(problem), len(problem.particles)} - {0, 1}):
            named.append((f"a sum over {count} points of q for their mean{loss}", sign * count))
        shapes = [shape.value[2:] for shape in problem.compiled.seen.shapes]
        for size in sorted({size for shape in shapes for size in shape} - {1}):
            named.append((f"divided by the number of dimensions or times, {size}{loss}", sign / size))
        named.append((f"in bits{loss}", sign / np.log(2.0)))
    names: dict[float, list[str]] = {}
    for name, times in named:
        if times != 1.0:
            names.setdefault(float(times), []).append(name)
    for times, said in names.items():
        yield ", or ".join([*dict.fromkeys(said)][:MOST_NAMES]), times


def _points(problem: Problem) -> set[int]:
    """How many points of q the factors are averaged over."""
    return {int(shape.value[1]) for shape in problem.compiled.seen.shapes if len(shape.value) > 1}


CHECK = Check(
    name=NAME,
    letter="c",
    promise="the reported number is the ELBO itself, in nats per datum (theory, section 1)",
    run=convention,
    needs=("elbo",),
    diagnose="convention",
)

"""The point where the code's own training stops: its value, is it stationary, and does F = S + δ hold there?

Rejects: a training step with a wrong fixed point (an M-step off by a factor, n − 1 for n, a forgotten term), which the
identity at every point cannot see; training that lowers the bound or does not leave a saddle; a reported value that is
wrong only there. Known departures are subtracted and named (THEORY section 8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from elbocheck.backends.namespace import double_precision
from elbocheck.bound.decomposition import decompose
from elbocheck.bound.problem import Problem
from elbocheck.bound.reading import at_most, read
from elbocheck.checks.check import Check
from elbocheck.checks.compare import Deviation, judge
from elbocheck.checks.every_point import every_point
from elbocheck.checks.gradient import gradient
from elbocheck.checks.stop import Stop, beside_a_saddle, blame, exactly, moved, stop
from elbocheck.checks.value import NAME as NAME_OF_VALUE
from elbocheck.checks.value import value
from elbocheck.errors import NotFiniteError
from elbocheck.outcome import Diagnosis, Outcome, Result
from elbocheck.solver import find_stationary_point

NAME = "fit"
LEAVES = 0.01
"""Training that, started at the stationary point, stops where more than this share can be gained again, leaves it."""
STANDS = 16.0
"""A change of so many eps is rounding: training that is merely early moves on when it is started again."""


def fit(problem: Problem) -> Result | None:
    """`holds` if what is left to gain where training stops is below rounding, and F = S + δ there.

    Else a stationary point is sought from there, and training started at it. `violated` if it leaves: its fixed point
    is wrong. If it stays it had only stopped early, which `holds` with a note if half of the digits of F are right, and
    else is `violated` if it ends below where it began or does not move when started again, and `inconclusive` if it
    does. `violated` too where the reported value is wrong at that point only, and at a saddle that training does not
    leave from a step beside it. Where another check rejects the bound itself, training is not said to be wrong:
    `inconclusive`. With
    `departures` the gap of each factor is compared with theirs instead. None without `fit`.
    """
    if problem.fit is None:
        return None
    reported = value(problem)
    sound = reported is None or reported.outcome is not Outcome.VIOLATED
    result = _judged(problem, sound)
    if result.outcome is Outcome.HOLDS and not sound:
        return replace(result, note=f"but for the value, {result.note or 'training is right'}")
    if result.outcome is not Outcome.VIOLATED:
        return result
    wrong = _wrong_before(problem) if sound else NAME_OF_VALUE
    if wrong is None:
        return result
    return _unsound(problem, wrong)


def _unsound(problem: Problem, check: str) -> Result:
    message = f"{NAME}: training cannot be judged by a bound that the check {check} rejects ({problem.label})"
    return Result(NAME, problem.label, Outcome.INCONCLUSIVE, points=0, message=message)


def _wrong_before(problem: Problem) -> str | None:
    """The check of derivatives that rejects the bound itself, whatever training does; None if none does."""
    for check in (every_point, gradient):
        found = check(problem)
        if found is not None and found.outcome is Outcome.VIOLATED:
            return found.check
    return None


def _judged(problem: Problem, sound: bool) -> Result:
    """`sound`: whether the reported value is that of the declaration where training begins."""
    try:
        at = stop(problem, problem.vector)
    except NotFiniteError as error:
        return _left_the_numbers(problem, error)
    if any(one.gaps for one in problem.departures):
        return departed(problem, [at, stop(problem, at.problem.vector)])
    reported = value(at.problem) if sound else None
    if reported is not None and reported.outcome is Outcome.VIOLATED:
        message = reported.message.removeprefix(f"{reported.check}: ")
        return replace(
            reported, check=NAME, message=f"{NAME}: where training stops, {message}", at=tuple(at.problem.vector)
        )
    theorem = judge(NAME, problem.label, _deviations(at), gradient_norm=at.terms.gradient_norm)
    if theorem.outcome is Outcome.VIOLATED:  # or only more rounding than the cheap bounds allow
        at = replace(at, terms=decompose(at.problem, thorough=True))
        theorem = judge(NAME, problem.label, _deviations(at), gradient_norm=at.terms.gradient_norm)
    if theorem.outcome is not Outcome.HOLDS:
        return theorem
    if at.converged:
        return _stationary(problem, at, theorem)
    return _early(problem, at, theorem) if sound else _unsound(problem, NAME_OF_VALUE)


def _stationary(problem: Problem, at: Stop, theorem: Result) -> Result:
    """A stationary point is where training may end, unless it is a saddle that training does not leave."""
    pushed = None if at_most(problem) else beside_a_saddle(at)
    if pushed is None:
        return theorem
    start = pushed.gradient(pushed.vector)[0]
    back = stop(problem, pushed.vector)
    gained = back.terms.elbo - start
    if gained >= -at.terms.elbo_rounding:
        rise = back.terms.elbo - at.terms.elbo
        return replace(theorem, note=f"training stopped at a saddle; started a step beside it, it gains {rise:.2g}")
    sentence = (
        f"training stops at a saddle that it does not leave: started a step beside it, where the bound is "
        f"{start - at.terms.elbo:.1e} nats per datum higher, it ends {-gained:.1e} below that"
    )
    result = _verdict(problem, at, Outcome.VIOLATED, sentence)
    return replace(result, gap=-gained, diagnosis=Diagnosis("training", suspect="a saddle", sentence=sentence))


def _early(problem: Problem, at: Stop, theorem: Result) -> Result:
    """Where more can be gained: wrong training, or training that was only stopped early."""
    where = (
        f"‖∇F‖ = {at.terms.gradient_norm:.1e} where training stops, largest in {blame(at)}; a step of {at.away:.1e} "
        f"would add {at.gain:.1e} nats per datum"
    )
    goal = find_stationary_point(exactly(at.problem))
    if goal.certified:
        back = stop(problem, goal.problem.vector)
        if not back.converged and back.gain > LEAVES * at.gain:
            gaps = "; ".join(f"F − S of {t.label} is {t.gap - t.delta:+.3e}" for t in at.terms.factors if t.covered)
            return _verdict(
                problem,
                at,
                Outcome.VIOLATED,
                f"training stops where the bound is not stationary: {where}, and started at the stationary point it "
                f"leaves, to where {back.gain:.1e} can be gained again. {gaps}",
            )
        if at.nearly:
            return replace(theorem, note=f"training stopped early: {where}")
    began = read(problem)
    fallen = began.elbo - at.terms.elbo
    if fallen > at.terms.elbo_rounding + 2 * began.constant * began.full_scale:
        sentence = f"training ends {fallen:.3g} nats per datum below where it began"
        result = _verdict(problem, at, Outcome.VIOLATED, f"{sentence}: {where}")
        told = Diagnosis("training", suspect="lowers the bound", sentence=f"{sentence}: a wrong sign or too long steps")
        return replace(result, gap=fallen, diagnosis=told)
    again = stop(problem, at.problem.vector)
    if moved(at.problem, again.problem) <= STANDS * problem.compiled.backend.eps:
        return _verdict(
            problem,
            at,
            Outcome.VIOLATED,
            f"training stands still where the bound is not stationary: {where}, but started again it does not move (a "
            "block that is never updated, or a tolerance far too wide)",
        )
    if again.terms.elbo - at.terms.elbo > at.terms.elbo_rounding:
        return _verdict(problem, at, Outcome.INCONCLUSIVE, f"training has not converged: {where}; run it longer")
    message = f"training does not settle: {where}; started again it moves on, and the bound does not rise"
    return _verdict(problem, at, Outcome.INCONCLUSIVE, message)


def _left_the_numbers(problem: Problem, error: NotFiniteError) -> Result:
    """Training that ends in NaN or infinity has failed, whatever the bound is worth."""
    sentence = f"training leaves the numbers. {error}"
    return Result(
        NAME,
        problem.label,
        Outcome.VIOLATED,
        gap=float("inf"),
        points=0,
        message=f"{NAME}: {sentence} where fit(params) ends",
        diagnosis=Diagnosis("training", suspect="not finite", sentence=sentence),
    )


def _verdict(problem: Problem, at: Stop, outcome: Outcome, message: str) -> Result:
    """What is said of a point that is not stationary: the gain that is left, over what rounding lets training see."""
    return Result(
        NAME,
        problem.label,
        outcome,
        gap=at.gain,
        bound=at.terms.elbo_rounding,
        points=0,
        message=f"{NAME}: {message} ({problem.label})",
        gradient_norm=at.terms.gradient_norm,
        at=tuple(at.problem.vector),
    )


def _deviations(at: Stop) -> list[Deviation]:
    terms = at.terms
    if at_most(at.problem):  # another bound is trained: that it is one, and stationary, is all that can be said
        above = max(terms.elbo - terms.declared, 0.0)
        return [Deviation("the reported ELBO above the declared one where training stops", above, terms.elbo_rounding)]
    return [
        Deviation(f"factor {t.label} where training stops", abs(t.gap - t.delta), terms.factor_bound(t), t.magnitude)
        for t in terms.factors
        if t.covered
    ] + [
        Deviation(
            f"factors {one.label} where training stops",
            abs(sum(t.weight * (t.gap - t.delta) for t in terms.factors if t.name in one.factors)),
            terms.group_bound(one),
            terms.magnitude,
        )
        for one in terms.grouped
    ]


def departed(problem: Problem, stops: list[Stop]) -> Result:
    """gap_f − δ_f against what the departures predict, within what a second run of training still changed of it."""
    before, last = (_residuals(problem, one) for one in stops)
    names, deviations = ", ".join(one.name for one in problem.departures), []
    for name, (residual, predicted) in last.items():
        rounding = sum(2 * term.rounding for term in stops[-1].terms.factors if term.name == name)
        change = 10.0 * abs(residual - before[name][0])
        what = f"factor {name} where training stops, after {predicted:+.3e} for {names},"
        deviations.append(Deviation(what, abs(residual), rounding + change, abs(predicted)))
    result = judge(NAME, problem.label, deviations, gradient_norm=stops[-1].terms.gradient_norm)
    return result if result.message else replace(result, note=f"explained by {names}")


def _residuals(problem: Problem, one: Stop) -> Mapping[str, tuple[float, float]]:
    """Factor -> (gap − δ − predicted, predicted)."""
    params = problem.code_params(one.problem.vector)
    predicted = dict.fromkeys((t.name for t in one.terms.factors), 0.0)
    with double_precision():  # they are functions of the user's, like the bound
        for departure in problem.departures:
            for name, size in departure.at(params).items():
                predicted[name] += float(size)
    found = dict.fromkeys(predicted, 0.0)
    for term in one.terms.factors:
        found[term.name] += term.gap - term.delta
    return {name: (found[name] - predicted[name], predicted[name]) for name in predicted}


CHECK = Check(
    name=NAME,
    letter="f",
    promise="where training stops the ELBO is stationary, and equals a sum of entropies (theory, section 2)",
    run=fit,
    needs=("fit",),
    diagnose="training",
)

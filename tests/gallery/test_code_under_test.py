"""Gallery: code under test that ends, raises, hangs or draws nothing. Green is only what was judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.gallery import Bad, check, of_code

LEAVE = {
    "sys.exit(0)": "SystemExit: 0",
    "sys.exit(3)": "SystemExit: 3",
    "sys.exit()": "SystemExit: no message",
    "exit_with = SystemExit('done'); raise exit_with": "SystemExit: done",
    "raise KeyboardInterrupt": "KeyboardInterrupt: no message",
    "raise GeneratorExit": "GeneratorExit: no message",
    "raise type('Own', (BaseException,), {})('mine')": "Own: mine",
    "raise StopIteration(7)": "StopIteration: 7",
    "raise MemoryError('243 GiB')": "MemoryError: 243 GiB",
    "raise RecursionError": "RecursionError: no message",
    "raise Warning('a\\nb')": "Warning: a",
    "assert False, 'never'": "AssertionError: never",
    "raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})()": "Mute: no message",
    "raise BaseExceptionGroup('several', [KeyboardInterrupt()])": "BaseExceptionGroup: several",
    "pytest = __import__('pytest'); pytest.skip('not today')": "Skipped: not today",
}
"""One line of code -> what is said of it."""
PLACES = {
    "import": ("{line}\ntarget = target_of()", "cannot load 'bad.py': {said}"),
    "elbo": ("def bad(p):\n    {line}\ntarget = target_of(elbo=bad)", "elbo(params) raised {said}"),
    "factors": ("def bad(p):\n    {line}\ntarget = target_of(factors=bad)", "factors(params) raised {said}"),
    "recipe": (
        "def bad(n):\n    {line}\ntarget = Target('t', bad, {{'n': st.integers(0, 9)}})",
        "problems(**arguments) raised {said}",
    ),
}
"""Where it stands."""
ENDED = [
    of_code(f"{place}: {line}", 2, phrase.format(said=said), text.format(line=line))
    for line, said in LEAVE.items()
    for place, (text, phrase) in PLACES.items()
]
INCONCLUSIVE = [
    of_code(f"fit: {line}", 1, f"fit: no verdict. problem: fit(params) raised {said}", f"def bad(p):\n    {line}\n"
            "target = target_of(fit=bad)")
    for line, said in LEAVE.items()
]  # fmt: skip
DRAWN = [
    of_code("nothing to draw", 2, "its strategies draw nothing",
            "target = Target('t', problem, {'label': st.nothing()})"),
    of_code("everything refused", 2, "its strategies draw nothing",
            "def bad(n):\n    assume(False)\ntarget = Target('t', bad, {'n': st.integers()})"),
    of_code("a filter that raises", 2, "drawing 6 problems raised ZeroDivisionError",
            "target = Target('t', lambda n: problem(), {'n': st.integers().filter(lambda n: 1 / 0)})"),
    of_code("a map that exits", 2, "drawing 6 problems raised SystemExit: 0",
            "target = Target('t', lambda n: problem(), {'n': st.integers().map(lambda n: sys.exit(0))})"),
    of_code("raises once", 2, "drawing 6 problems raised Flaky",
            "seen = []\ndef bad(n):\n    seen.append(n)\n    if len(seen) == 2: raise ValueError\n"
            "    return problem()\ntarget = Target('t', bad, {'n': st.integers()})"),
    of_code("makes no problem", 2, "problems should make a Problem; got 3",
            "target = Target('t', lambda n: 3, {'n': st.integers()})"),
    of_code("a strategy of no problems", 2, "problems should make a Problem; got 3",
            "target = Target('t', st.just(3))"),
]  # fmt: skip
NO_TARGET = [
    of_code("no targets", 2, "must be a Target, a Cell, or a non-empty tuple", "CELLS = target = []"),
    of_code("text for a target", 2, "must be a Target, a Cell", "CELLS = 't'"),
    of_code("__getattr__ that exits", 2, "cannot read 'target' of 'bad.py': SystemExit: 0",
            "def __getattr__(name):\n    sys.exit(0) if name == 'target' else None\n    raise AttributeError(name)"),
    Bad("no Python", 2, "cannot load 'bad.py': SyntaxError", files={"bad.py": "target = ("}),
    Bad("no text", 2, "cannot load 'bad.py': SyntaxError", files={"bad.py": b"\xff\xfe\x00x"}),
    Bad("a directory", 2, "cannot load 'bad.py'", files={"bad.py/x": ""}),
    Bad("no file", 2, "cannot load 'bad.py': FileNotFoundError"),
    Bad("no module", 2, "cannot load 'no_such_module': ModuleNotFoundError", "verify no_such_module:target"),
    Bad("a relative module", 2, "cannot load '.bad'", "verify .bad:target"),
    Bad("only an attribute", 2, "an empty name names no module", "verify :target"),
]  # fmt: skip
TIMEOUTS = [
    of_code(f"timeout {given}", 2, f"timeout must be a number of seconds from 0.001 to 1e+06; got {shown}",
            f"target = target_of(timeout={given})")
    for given, shown in (
        ("float('inf')", "inf"), ("float('nan')", "nan"), ("1e300", "1e+300"), ("1e-9", "1e-09"), ("0", "0"),
        ("-1", "-1"), ("'60'", "'60'"), ("None", "None"), ("True", "True"), ("10**400", "1000"),
    )
]  # fmt: skip
HANGS = [
    of_code("endless import", 2, "the import of 'bad.py' did not come back within 0.2 s",
            "while True: time.sleep(0.01)"),
    of_code("import that swallows the end once", 2, "the import of 'bad.py' did not come back within 0.2 s",
            "try: time.sleep(9)\nexcept BaseException: pass\ntarget = target_of()"),
    of_code("recipe", 2, "problems(**arguments) did not come back within 0.2 s",
            "def bad(n):\n    while True: time.sleep(0.01)\n"
            "target = Target('t', bad, {'n': st.integers()}, timeout=0.2)"),
    of_code("strategy", 2, "drawing 6 problems did not come back within 1.2 s",
            "slow = st.integers().map(lambda n: time.sleep(9))\n"
            "target = Target('t', lambda n: problem(), {'n': slow}, timeout=0.2)"),
    of_code("elbo that swallows the end once", 2, "elbo(params) did not come back within 0.2 s",
            "def bad(p):\n    try: time.sleep(9)\n    except BaseException: return elbo(p)\n"
            "target = target_of(elbo=bad, timeout=0.2)"),
    of_code("elbo that makes another exception of it", 2, "elbo(params) did not come back within 0.2 s",
            "def bad(p):\n    try: time.sleep(9)\n    except BaseException: raise ValueError\n"
            "target = target_of(elbo=bad, timeout=0.2)"),
    of_code("fit that takes the alarm away", 1, "fit(params) did not come back within 0.2 s",
            "def bad(p):\n    signal.setitimer(signal.ITIMER_REAL, 0)\n    while True: time.sleep(0.01)\n"
            "target = target_of(fit=bad, timeout=0.2)"),
    of_code("fit that ignores the alarm", 1, "fit(params) did not come back within 0.2 s",
            "def bad(p):\n    signal.signal(signal.SIGALRM, signal.SIG_IGN)\n    while True: time.sleep(0.01)\n"
            "target = target_of(fit=bad, timeout=0.2)"),
]  # fmt: skip


@pytest.mark.parametrize("row", [*ENDED, *INCONCLUSIVE, *DRAWN, *NO_TARGET, *TIMEOUTS, *HANGS], ids=lambda row: row.id)
def test_row(row: Bad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("elbocheck.limits.IMPORT", 0.2 if "import of" in row.phrase else 60.0)
    check(row, tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("wrong_first", [True, False])
def test_a_violation_is_not_lost_to_another_problem_that_cannot_be_judged(
    wrong_first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = "problem(elbo=wrong), problem(elbo=bad)" if wrong_first else "problem(elbo=bad), problem(elbo=wrong)"
    text = f"def bad(p):\n    raise ValueError('hm')\ntarget = Target('t', [{problems}])"
    row = of_code("two", 1 if wrong_first else 2, "raised ValueError: hm", text)
    out, _ = check(row, tmp_path, monkeypatch, capsys)
    assert ("violated" in out) == wrong_first


def test_a_violation_is_not_lost_to_another_target_that_cannot_be_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "target = [target_of(name='a', elbo=wrong), target_of(name='b', elbo=lambda p: sys.exit(0))]"
    row = of_code("two targets", 1, "target 'b' cannot be judged", text)
    out, _ = check(row, tmp_path, monkeypatch, capsys)
    assert "a: 3 checks, 1 holds, 2 violated" in out


def test_the_gallery_sees_code_that_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check(of_code("right", 0, "t: 3 checks, 3 holds", "target = target_of()"), tmp_path, monkeypatch, capsys)

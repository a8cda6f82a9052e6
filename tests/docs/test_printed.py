"""The comparison of outputs with pages: what rounding decides is let through, a changed word or number is not."""

from __future__ import annotations

import pytest

from support.printed import difference

GATE = """\
elbocheck 0.1.0: gate:target, float64
my mixture

 check         problems   deviation   bound   outcome
 ─────────────────────────────────────────────────────
 convention           1       0e+00   0e+00   holds
 value                1       3e-02   1e-13   violated
 every point          1       2e-17   5e-14   holds
 differences          1       3e-08   4e-07   holds

  found     value: the reported ELBO -1.89400212 against -1.86372038 deviates
            by 3.028e-02 nats per datum, bound 1.1e-13. F − S of z is +0; F − S
            of x is +5.000e-02 (20 data, seed 0)
  nats per datum       E log p       entropy        gap   β·∇F + δ    bound
               z     -0.693147      0.693147          0          0    5e-14
               x      -1.48108       1.41894    -0.0621    -0.0356    7e-14 ←
               q                    0.302793
  ‖∇F‖ = 3.87e-01
  repeat    elbocheck replay elbocheck-cases/my-mixture-value-ce94c3be.json

my mixture: 4 checks, 4 holds; 4 s
"""
TRAINING = """\
      step             F         S + δ     F − S − δ      bound       ‖∇F‖
         0     −1.367679     −1.075168     −0.292511      3e-01      5e-01
        15     −1.119767     −1.119767        −6e−09      4e-08      2e-08

factor                gap  =        β·∇F  +           δ    off by  rounding
z                   1e−16  =       8e−17  +           0     3e-17     5e-14

What is left, 8e-16, is below its bound 4e-13.
"""
ROUNDING = [
    ("z is +0;", "z is 0;"),
    ("z is +0;", "z is -3.331e-16;"),
    ("z is +0; F − S\n            of x", "z is −2.6e−17; F\n            − S of x"),
    ("        0          0    5e-14", " 1.11e-16  -2.56e-17    3e-13"),
    ("0e+00   0e+00", "2e-16   0e+00"),
    ("2e-17   5e-14", "7e-14   5e-14"),  # beyond its bound; the word `holds` says that it is not
    ("3e-08   4e-07", "-9e-08   3e-07"),
    ("1.1e-13", "4.0e-13"),
    ("-1.89400212", "-1.89400213"),
    ("3e-02   1e-13", "4e-02   1e-13"),
    ("0.302793", "0.302794"),
    ("; 4 s", "; 112 s"),
    ("ce94c3be", "89ab0123"),
    ("elbocheck 0.1.0", "elbocheck 0.2.0"),
    ("   outcome\n ──", "   outcome\n ────"),
]
WRONG = [
    ("holds\n value", "violated\n value"),
    ("violated", "holds"),
    ("my mixture: 4 checks", "my mixture: 5 checks"),
    ("20 data", "21 data"),
    ("←", ""),
    ("-1.89400212", "1.89400212"),
    ("-1.48108", "-1.4830"),
    ("0.302793", "0.302893"),
    ("-0.0621", "0.0621"),
    ("-0.0621", "-0.0623"),
    ("-0.0621", "0"),
    ("3e-02   1e-13", "5e-02   1e-13"),
    ("3e-02   1e-13", "3e-16   1e-13"),
    ("3e-02   1e-13", "3e-02   1e-19"),
    ("3e-02   1e-13", "3e-02   1e-07"),
    ("1.1e-13", "1.1e-19"),
    ("0e+00   0e+00", "0e+00   1e-13"),
    ("0e+00   0e+00", "1e-03   0e+00"),
    ("0e+00   0e+00", "9e-01   0e+00"),
    ("3e-08   4e-07", "3e-08   4e-13"),
    ("z is +0;", "z is +5.000e-02;"),
    ("+5.000e-02", "-5.000e-02"),
    ("3.87e-01", "3.87e-02"),
    ("     0.302793\n", "     0.3\n"),
    ("0          0    5e-14", "0          0    5e-20"),
    ("my-mixture-value", "my-mixture-fit"),
    ("; 4 s\n", "; 4 s\nand more\n"),
    ("\nmy mixture: 4 checks, 4 holds; 4 s\n", ""),
]


@pytest.mark.parametrize(("here", "there"), ROUNDING)
def test_what_the_processor_decides_is_let_through(here: str, there: str) -> None:
    """Catches a page that only one kind of processor can print."""
    assert GATE.count(here) == 1
    other = GATE.replace(here, there)
    assert not difference(other, GATE)
    assert not difference(GATE, other)


@pytest.mark.parametrize(("here", "there"), WRONG)
def test_everything_else_is_seen(here: str, there: str) -> None:
    """Catches a comparison so lax that it accepts another verdict, sign, size or bound."""
    other = GATE.replace(here, there)
    assert other != GATE
    assert difference(other, GATE)
    assert difference(GATE, other)


@pytest.mark.parametrize(
    ("here", "there", "same"),
    [
        ("−6e−09", "0", True),
        ("−6e−09      4e-08", "−6e−09      4e-14", False),
        ("−0.292511", "0.292511", False),  # below its bound of 3e-01, which is no rounding error
        ("−0.292511", "0", False),
        ("1e−16  =       8e−17", "0  =       −4e−17", True),
        ("5e-14", "5e-08", False),
        ("bound 4e-13", "bound 9e-13", True),
        ("bound 4e-13", "bound 4e-19", False),
    ],
)
def test_bounds_below_a_heading_and_after_the_word(here: str, there: str, same: bool) -> None:
    """Catches a bound that is taken for a deviation, and the other way round."""
    assert TRAINING.count(here) == 1
    assert (not difference(TRAINING.replace(here, there), TRAINING)) == same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (" maxwell/exact  40 3e-15 4e-13 32 100% 0", " maxwell/exact  38 7e-14 9e-12 30 97% 1", True),
        ("[   6.0 s]    30/30 maxwell", "[  16.1 s]    33/33 maxwell", True),
        ("an error of 3e-12 nats", "an error of 8e-11 nats", True),
        ("an error of 3e-12 nats", "an error of 3e-06 nats", False),
        (" maxwell/exact  40 3e-15", " maxwell/exact  40 3e-05", False),
        ("40 points verified", "40 points violated", False),
    ],
)
def test_problems_that_are_drawn_anew_change_counts_only(one: str, other: str, same: bool) -> None:
    """Catches a page of random problems that accepts a gap, and one that only one version of Hypothesis can print."""
    assert (not difference(one, other, drawn=True)) == same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("-0.000065", "-0.000064", True),
        ("-0.000065", "-0.000063", False),
        ("0.5", "0.5000001", True),
        ("0.5", "0.6", False),
        ("0.05", "0.0500001", True),
        ("0.05", "0.06", False),
        ("1.00e-05", "9.99e-06", True),
        ("1", "0.9999999", True),
        ("1", "2", False),
        ("27 %", "28 %", False),
        ("2.5 nats", "2.5 bits", False),
        ("nan", "0", False),
    ],
)
def test_digits_that_are_certain(one: str, other: str, same: bool) -> None:
    """Catches a tolerance of 20 %, which one unit of a single digit would be."""
    assert (not difference(one, other)) == (not difference(other, one)) == same


def test_the_difference_is_named() -> None:
    """Catches a failure that leaves the reader to compare two pages."""
    said = difference(GATE.replace("3.87e-01", "1.02e-01"), GATE)
    assert "1.02e-01' is printed" in said
    assert "3.87e-01' is shown" in said

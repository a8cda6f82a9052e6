"""Real data sets that ship with the package, data files of users, and which cells run on which data."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np

from elbocheck.errors import InputError
from elbocheck.files import began, read_text
from elbocheck.models.base import Model
from elbocheck.models.catalogue import cells, find_model
from elbocheck.models.sample import Cell, Sample, random_sample
from elbocheck.models.support import check_matrix, check_weights

MOST_COLUMNS, MOST_PARAMETERS, MOST_ELEMENTS = 500, 1000, 1_000_000
"""Of what the catalogue is run on: a search computes Hessians."""
MOST_SHOWN = 12
"""Columns that a message lists."""


@dataclass(frozen=True)
class Dataset:
    """Weighted data."""

    name: str
    """For reports."""

    x: np.ndarray
    """(N, D)."""

    data_weights: np.ndarray
    """(N,), summing to 1."""

    def distinct(self) -> Dataset:
        """Equal rows merged into one with their joint weight: the same ELBO and entropy sum, in fewer rows."""
        rows, inverse = np.unique(self.x, axis=0, return_inverse=True)
        weights = np.zeros(len(rows))
        np.add.at(weights, inverse.reshape(-1), self.data_weights)
        return Dataset(self.name, rows, weights)

    def thinned(self, step: int) -> Dataset:
        """Every `step`-th row, or the beginning of a single sequence; the name says so."""
        if step == 1:
            return self
        if len(self.x) == 1:
            return Dataset(f"{self.name}, first 1/{step}", self.x[:, : -(-self.x.shape[1] // step)], self.data_weights)
        kept = self.data_weights[::step]
        return Dataset(f"{self.name}, 1 row in {step}", self.x[::step], kept / kept.sum())


SHIPPED: dict[str, tuple[str, tuple[str, ...] | None]] = {
    "coal_disasters": ("coal_disasters", None),
    "digits_binary": ("digits_binary", None),
    "digits_6px": ("digits_binary", tuple(f"pixel_{pixel}" for pixel in (0, 1, 2, 3, 5, 6))),
    "horse_kicks": ("horse_kicks", ("deaths",)),
    "iris": ("iris", None),
    "old_faithful": ("old_faithful", None),
    "waiting_times": ("old_faithful", ("waiting_minutes",)),
}
"""Name -> (file, columns; None for all). Provenance: elbocheck/data/README.md. With all nine pixels the likelihood of
a sigmoid belief network grows towards infinite weights, so that only saddles are finite; with these six it has a
finite maximum."""

SEQUENCES = ("waiting_times",)
"""Data sets whose rows are one sequence in time: (1, T) instead of (T, 1)."""

REAL: tuple[tuple[str, str, int], ...] = (
    ("sbn/exact", "digits_6px", 2),
    ("sbn/mean-field", "digits_6px", 2),
    ("ppca/exact", "iris", 2),
    ("ppca/full", "iris", 1),
    ("gmm-full/exact", "old_faithful", 2),
    ("gmm-diagonal/exact", "iris", 3),
    ("gmm-spherical/exact", "old_faithful", 3),
    ("gmm-tied/exact", "iris", 3),
    ("poisson-mixture/exact", "horse_kicks", 2),
    ("poisson-mixture/free", "horse_kicks", 2),
    ("vae-1/encoder", "iris", 2),
    ("sparse-unit/encoder", "old_faithful", 1),
    ("bernoulli-mixture/exact", "digits_6px", 2),
    ("gamma-mixture/exact", "old_faithful", 2),
    ("log-normal-mixture/exact", "iris", 3),
    ("hmm-gaussian/exact", "waiting_times", 2),
)
"""(cell, data set, latents) that `elbocheck verify` runs on real data."""


def load(name: str, weights_column: str | None = None) -> Dataset:
    """A shipped data set by name, or a CSV file with a header line by path.

    `weights_column`: the column that holds data weights. Raises `InputError` for an unknown name, an unreadable file,
    ragged or non-numeric rows, non-finite values and unusable weights.
    """
    if name in SHIPPED:
        file, columns = SHIPPED[name]
        text = resources.files("elbocheck.data").joinpath(f"{file}.csv").read_text(encoding="utf-8")
        found = parse(name, text, columns, weights_column)
        return Dataset(name, found.x.T, np.ones(1)) if name in SEQUENCES else found
    path = Path(name)
    if "\0" in name or (path.suffix != ".csv" and not (began() / path).exists()):
        raise InputError(f"unknown data set {name!r}; choose one of {', '.join(SHIPPED)}, or give a .csv file")
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read data file {name!r}: {error}") from error
    return parse(path.stem, text, None, weights_column)


def parse(name: str, text: str, columns: tuple[str, ...] | None, weights_column: str | None = None) -> Dataset:
    """A data set from CSV text: commas, a header line; raises `InputError` for anything else."""
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error as error:
        raise InputError(f"data set {name!r} is no CSV file: {error}") from error
    if len(rows) < 2:
        raise InputError(f"data set {name!r}: a header line and at least one row are needed; found {len(rows)} lines")
    header = [cell.strip() for cell in rows[0]]
    _check_header(name, header)
    place = {column: position for position, column in enumerate(header)}
    wanted = [column for column in (columns or header) if column != weights_column]
    missing = [column for column in [*wanted, *([weights_column] if weights_column else [])] if column not in place]
    if missing:
        raise InputError(f"data set {name!r} has no column {missing[0]!r}; its columns are {_listed(header)}")
    values = {column: np.empty(len(rows) - 1) for column in [*wanted, *([weights_column] if weights_column else [])]}
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise InputError(f"data set {name!r}, line {line}: {len(row)} values, but the header has {len(header)}")
        for column in values:
            entry = row[place[column]]
            try:
                values[column][line - 2] = _number(entry)
            except ValueError as error:
                raise InputError(
                    f"data set {name!r}, line {line}, column {column!r}: {_short(entry)!r} is no number"
                ) from error
    x = np.stack([values[column] for column in wanted], axis=1) if wanted else np.empty((len(rows) - 1, 0))
    check_matrix(x)
    weights = values[weights_column] if weights_column else np.ones(len(x))
    return Dataset(name, x, check_weights(weights, len(x)))


def _check_header(name: str, header: list[str]) -> None:
    for mark in (";", "\t"):
        if len(header) == 1 and mark in header[0]:
            raise InputError(f"data set {name!r}: its columns are separated by {mark!r}; commas are expected")
    if all(_is_number(column) for column in header):
        raise InputError(
            f"data set {name!r}: line 1 holds numbers only ({_listed(header)}); a header with names is expected"
        )
    if "" in header:
        raise InputError(f"data set {name!r}: column {header.index('') + 1} has no name")
    twice = [column for column, count in Counter(header).items() if count > 1]
    if twice:
        raise InputError(f"data set {name!r}: two columns are called {_short(twice[0])!r}")


def _number(text: str) -> float:
    """A number as files hold it: ASCII, and without Python's underscores; raises `ValueError` for anything else."""
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return float(text)


def _is_number(text: str) -> bool:
    try:
        _number(text)
    except ValueError:
        return False
    return True


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:38]} …"


def _listed(columns: list[str]) -> str:
    shown = ", ".join(_short(column) for column in columns[:MOST_SHOWN])
    return shown if len(columns) <= MOST_SHOWN else f"{shown}, … ({len(columns)} in all)"


def _check_size(cell: Cell) -> None:
    """Raises `InputError` for data that no search of the catalogue would finish on."""
    data, observed, latents = cell.capacity
    if observed > MOST_COLUMNS:  # more are not even counted
        raise InputError(f"{cell.name}: the catalogue takes at most {MOST_COLUMNS} columns; there are {observed}")
    parameters = replace(cell, capacity=(1, observed, latents)).parameters
    if data * observed > MOST_ELEMENTS or parameters > MOST_PARAMETERS:
        raise InputError(
            f"{cell.name} on {observed} columns has {parameters} parameters, and there are {data * observed} numbers; "
            f"the catalogue takes at most {MOST_PARAMETERS} and {MOST_ELEMENTS}: choose fewer columns or rows, or hand "
            "your own code over as a Target"
        )


def real_sample(cell: Cell, dataset: Dataset, latents: int, seed: int) -> Sample:
    """The whole data set, equal rows merged, at random starting parameters, in a cell that it fits in."""
    cell.model.data.check(dataset.x)
    if not 1 <= latents <= 8:
        raise InputError(f"the number of latents must lie between 1 and 8; got {latents}")
    merged = dataset.distinct()
    sizes = (*merged.x.shape, latents)
    if any(size > most for size, most in zip(sizes, cell.capacity, strict=True)):
        cell = replace(cell, capacity=sizes)
        _check_size(cell)
    return random_sample(
        cell, merged.x, latents, seed, merged.data_weights, label=f"{cell.name} on {dataset.name}, seed {seed}"
    )


def cells_of(model: str) -> list[Cell]:
    """The catalogue's cells of one model; raises `InputError` for an unknown name."""
    found: Model = find_model(model)
    return [cell for cell in cells() if cell.model is found]

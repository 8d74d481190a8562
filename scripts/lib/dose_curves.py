"""Fit dose-response curves, and find the dose at which a curve departs from the solvent.

The curve is Hill's, over the solvent as dose 0: bottom + (top - bottom) / (1 + (ec50 / dose)^slope). For a
given ec50 and slope it is linear in bottom and top, so a grid of both finds the best start, and the bootstrap
needs no other fit; scipy's least squares refines the curve itself.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import f as f_distribution

from lib.units import find_unit, get_factor
from lib.values import plain_text

SLOPES = np.array([0.5, 0.7, 1, 1.4, 2, 2.8, 4, 5.6, 8])
STEPS_PER_DECADE = 20  # in the grid of ec50
FINE = (30, 15)  # steps of ec50 and slope of the finer grid that a bootstrap ends with
BEYOND = 1.0  # decades by which an ec50 may lie beyond the doses
FEWEST_DOSES = 3  # above 0
REPEATS = 200  # bootstrap samples
INTERVAL = (5, 95)  # percentiles: the usual 90 % interval of a benchmark dose
BETTER = 0.01  # p-value of the F-test against no effect
SPREAD = 3.0  # times the solvent's: a curve with a larger residual spread does not count
DOSE = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*([^0-9.,]*)")
# Decimal commas; three digits after a comma that does not follow a 0 may be thousands.
DECIMAL_COMMA = re.compile(r"(?=[+-]?(?:0,|[0-9]+,(?![0-9]{3}(?![0-9]))))([+-]?[0-9]+),([0-9]+)")


def read_unit(column: str) -> str:
    """Return the unit at the end of a column's name (`dose_uM`, `Dose (µM)`); empty without one."""
    words = re.findall(r"[^\W\d_]+", plain_text(column))
    return (find_unit(words[-1]) or "") if len(words) > 1 else ""


def read_doses(values: Sequence[object]) -> tuple[np.ndarray, str]:
    """Read doses: numbers, or numbers with a unit, which are converted to the unit of most values.

    Parameters
    ----------
    values
        The doses as written, missing for none.

    Returns
    -------
    tuple[numpy.ndarray, str]
        Doses, NaN where a value is not a dose, and their unit; empty without one.
    """
    texts = ["" if value is None else plain_text(str(value)) for value in values]
    found = [DOSE.fullmatch(DECIMAL_COMMA.sub(r"\1.\2", text)) for text in texts]
    written = [(find_unit(match[2]) or match[2]) if match else "" for match in found]
    units = [each for each in written if each]
    unit = max(dict.fromkeys(units), key=units.count, default="")
    doses = np.full(len(texts), np.nan)
    for row, match in enumerate(found):
        if match and (factor := get_factor(written[row] or unit, unit)):
            doses[row] = float(match[1]) * float(factor)
    # the product can have a rounding error, and replicates must share one dose
    rounded = np.array([float(f"{dose:.12g}") for dose in doses])
    return np.where((rounded >= 0) & np.isfinite(rounded), rounded, np.nan), unit


def find_logarithms(values: Sequence[object]) -> list[str]:
    """Return the negative values of a column of doses if they are probably logarithms.

    A single whole number (-1, -666) stands for a missing dose.
    """
    texts = dict.fromkeys(plain_text(str(value)) for value in values if value is not None)
    matches = [(text, DOSE.fullmatch(DECIMAL_COMMA.sub(r"\1.\2", text))) for text in texts]
    negative = [text for text, match in matches if match and float(match[1]) < 0]
    numbers = [float(match[1]) for _, match in matches if match and float(match[1]) < 0]
    return negative if len(numbers) > 1 or any(number % 1 for number in numbers) else []


@dataclass(frozen=True)
class Curve:
    """A Hill curve, its fit, and where it departs from the solvent; missing values are NaN."""

    bottom: float = np.nan
    top: float = np.nan
    ec50: float = np.nan
    slope: float = np.nan
    residual_sd: float = np.nan
    solvent_sd: float = np.nan
    p_value: float = np.nan
    counts: bool = False
    benchmark_dose: float = np.nan
    benchmark_dose_low: float = np.nan
    benchmark_dose_high: float = np.nan
    message: str = ""

    def at(self, doses: np.ndarray) -> np.ndarray:
        """Return the response at each dose."""
        with np.errstate(divide="ignore"):
            return self.bottom + (self.top - self.bottom) * get_share(doses, self.ec50, self.slope)


def get_share(doses: np.ndarray, ec50: np.ndarray | float, slope: np.ndarray | float) -> np.ndarray:
    """Return Hill's fraction of the full effect at each dose, between 0 and 1."""
    with np.errstate(divide="ignore", over="ignore"):
        return 1 / (1 + (ec50 / np.asarray(doses, dtype=float)) ** slope)


def get_benchmark_dose(
    change: np.ndarray, ec50: np.ndarray, slope: np.ndarray, response: float
) -> np.ndarray:
    """Return the dose at which a curve has changed by `response` of its `change`; inf if it never does.

    Parameters
    ----------
    change
        The change of each curve from dose 0 to infinite dose, in the unit of the response.
    ec50
        The dose at which half of the change is reached, in the unit of the doses.
    slope
        The Hill slope.
    response
        The size of the change that counts, in the unit of the response.

    Returns
    -------
    numpy.ndarray
        The doses, in the shape of `change`.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        odds = response / (np.abs(change) - response)
        return np.where(np.abs(change) > response, ec50 * odds ** (1 / slope), np.inf)


@dataclass(frozen=True)
class Grid:
    """Curves with each ec50 and slope of a grid, for wells with these doses."""

    doses: np.ndarray
    ec50: np.ndarray
    slope: np.ndarray

    @classmethod
    def of_doses(cls, doses: np.ndarray) -> "Grid":
        """Return the grid of all candidate curves: ec50 up to a decade beyond the doses."""
        used = np.log10(doses[doses > 0])
        low, high = used.min() - BEYOND, used.max() + BEYOND
        steps = 10 ** np.linspace(low, high, int(np.ceil((high - low) * STEPS_PER_DECADE)) + 1)
        return cls(doses, np.repeat(steps, len(SLOPES)), np.tile(SLOPES, len(steps)))

    def refine(self, chosen: np.ndarray) -> "Grid":
        """Return a finer grid over the range of the curves `chosen` (numbers), and one step around it."""
        centers, slopes = np.log10(self.ec50), np.log10(SLOPES)
        used = np.flatnonzero(np.isin(SLOPES, self.slope[chosen]))
        step = 1 / STEPS_PER_DECADE
        ec50 = np.linspace(centers[chosen].min() - step, centers[chosen].max() + step, FINE[0])
        ends = slopes[max(used[0] - 1, 0)], slopes[min(used[-1] + 1, len(slopes) - 1)]
        slope = np.linspace(*ends, FINE[1])
        return Grid(self.doses, np.repeat(10**ec50, FINE[1]), np.tile(10**slope, FINE[0]))

    @cached_property
    def shares(self) -> np.ndarray:
        """Return the fractions."""
        return get_share(self.doses[:, None], self.ec50, self.slope)

    def fit(self, responses: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Find the best curve of the grid for each set of weights.

        Parameters
        ----------
        responses
            The response of each well, (wells,).
        weights
            How often each well counts, (sets, wells).

        Returns
        -------
        tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]
            Number of the curve, bottom and change of each set.
        """
        x = self.shares
        total = weights.sum(axis=1, keepdims=True)
        y = responses - responses.mean()
        sum_x, sum_xx, sum_xy = weights @ x, weights @ x**2, weights @ (x * y[:, None])
        sum_y = (weights @ y)[:, None]
        variance = sum_xx - sum_x**2 / total
        covariance = sum_xy - sum_x * sum_y / total
        usable = variance > 1e-9 * total
        change = np.where(usable, covariance / np.where(usable, variance, 1), 0)
        best = np.argmax(np.where(usable, change * covariance, -1), axis=1)
        row = np.arange(len(weights))
        slope = change[row, best]
        bottom = (sum_y[:, 0] - slope * sum_x[row, best]) / total[:, 0] + responses.mean()
        return best, bottom, slope


def fit_curve(
    doses: np.ndarray, responses: np.ndarray, limit: str, seed: int, grid: Grid | None = None
) -> Curve:
    """Fit a Hill curve and find its benchmark dose with a 90 % interval.

    Parameters
    ----------
    doses
        Dose of each well, 0 for the solvent, (wells,).
    responses
        Response of each well, (wells,).
    limit
        How far the curve must depart from the solvent wells: `2sd`, or `mad` of their responses.
    seed
        Seed of the bootstrap, which draws the wells of each dose with replacement.
    grid
        The grid of these doses, if several responses are fitted.

    Returns
    -------
    Curve
        It counts if its residual spread is under three times the solvent's, and if it is better than none.
    """
    solvent = responses[doses == 0]
    different = len(np.unique(doses[doses > 0]))
    if different < FEWEST_DOSES:
        return Curve(message=f"{different} doses: a curve needs {FEWEST_DOSES}")
    if len(solvent) < 2:
        return Curve(message=f"{len(solvent)} solvent wells: their spread needs 2")
    sd = float(solvent.std(ddof=1))
    mad = float(np.median(np.abs(solvent - np.median(solvent))))
    response = 2 * sd if limit == "2sd" else mad
    if not response > 0:
        return Curve(message="the solvent wells do not vary")
    grid = Grid.of_doses(doses) if grid is None else grid
    best, bottom, change = (part[0] for part in grid.fit(responses, np.ones((1, len(doses)))))
    start = np.array([bottom, change, np.log10(grid.ec50[best]), np.log(grid.slope[best])])
    low = [-np.inf, -np.inf, np.log10(grid.ec50.min()), np.log(SLOPES[0])]
    high = [np.inf, np.inf, np.log10(grid.ec50.max()), np.log(SLOPES[-1])]

    def residuals(parameters: np.ndarray) -> np.ndarray:
        base, height, center, steepness = parameters
        return base + height * get_share(doses, 10**center, np.exp(steepness)) - responses

    inside = np.clip(start, np.array(low) + 1e-9, np.array(high) - 1e-9)
    found = least_squares(residuals, inside, bounds=(low, high), x_scale=np.maximum(np.abs(inside), 0.1))
    bottom, change, center, steepness = found.x
    ec50, slope = 10**center, np.exp(steepness)
    squares, flat = float((found.fun**2).sum()), float(((responses - responses.mean()) ** 2).sum())
    freedom = len(doses) - 4
    ratio = (flat - squares) / 3 / (squares / freedom) if freedom > 0 and squares > 0 else np.inf
    p_value = float(f_distribution.sf(ratio, 3, freedom)) if freedom > 0 else np.nan
    residual_sd = float(np.sqrt(squares / max(freedom, 1)))
    dose = float(get_benchmark_dose(np.array(change), np.array(ec50), np.array(slope), response))
    message = explain(p_value, residual_sd, sd, dose, doses)
    counts = not message
    low_dose, high_dose = bootstrap_interval(grid, responses, response, seed) if counts else (np.nan, np.nan)
    if counts and dose < doses[doses > 0].min():
        message = "below the lowest dose"
    return Curve(
        float(bottom),
        float(bottom + change),
        float(ec50),
        float(slope),
        residual_sd,
        sd,
        p_value,
        counts,
        dose if counts else np.nan,
        low_dose,
        high_dose,
        message,
    )


def explain(p_value: float, residual_sd: float, solvent_sd: float, dose: float, doses: np.ndarray) -> str:
    """Return why a curve has no benchmark dose; empty if it has one.

    Parameters
    ----------
    p_value
        The p-value of the curve against a constant response.
    residual_sd, solvent_sd
        Standard deviations of the residuals and of the solvent wells.
    dose
        The benchmark dose.
    doses
        The dose of each well, (wells,).
    """
    if not p_value < BETTER:
        return "no effect of the dose"
    if residual_sd >= SPREAD * solvent_sd:
        return f"the residuals spread {residual_sd / solvent_sd:.1f} times as much as the solvent wells"
    if dose > doses.max():
        return "the curve does not depart from the solvent wells within the range of doses"
    return ""


def bootstrap_interval(grid: Grid, responses: np.ndarray, response: float, seed: int) -> tuple[float, float]:
    """Return the interval of the benchmark dose from wells that are drawn with replacement at each dose.

    An end is infinite if too many curves do not depart from the solvent wells.

    Parameters
    ----------
    grid
        The curves that are fitted.
    responses
        The response of each well, (wells,).
    response
        The size of the change that counts, in the unit of the response.
    seed
        The seed of the draws.

    Returns
    -------
    tuple
        The low and the high end, in the unit of the doses.
    """
    rng = np.random.default_rng([seed, 17])
    weights = np.zeros((REPEATS, len(responses)))
    for dose in np.unique(grid.doses):
        rows = np.flatnonzero(grid.doses == dose)
        weights[:, rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=REPEATS)
    best, _, change = grid.fit(responses, weights)
    grid = grid.refine(np.unique(best))
    best, _, change = grid.fit(responses, weights)
    found = get_benchmark_dose(change, grid.ec50[best], grid.slope[best], response)
    low, high = np.percentile(found, INTERVAL, method="inverted_cdf")
    return float(low), float(high)

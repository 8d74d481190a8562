"""Flag single sites: empty, saturated, debris, out of focus."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lib.errors import number_of
from lib.spread import get_robust_spread
from plate_quality.measures import KEYS, compute_median_of_replicates, list_channels

# Minimum number of other sites with a perturbation that show how dim it is.
LEAST_REPLICATES = 3
SITE_FLAGS = ("empty", "out_of_focus", "saturated", "debris")


def flag_sites(sites: pd.DataFrame, samples: pd.Series, limits: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the flags of single sites as rows of the table; `samples` is the content of each site."""
    is_empty = sites["Count_Cells"] <= limits["empty_cells"]
    is_bright, bright = flag_saturated(sites, limits)
    is_dirty, dirty = flag_debris(sites, samples, ~is_bright, limits)
    blurred = flag_out_of_focus(sites, samples, ~is_empty & ~is_dirty & ~is_bright, limits)
    return [*flag_empty(sites, is_empty, limits), *bright, *dirty, *blurred]


def flag_empty(sites: pd.DataFrame, hit: pd.Series, limits: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Flag sites with no cells, or hardly any."""
    usual = sites["Count_Cells"].median()
    rows = []
    for at in sites.index[hit]:
        number = sites.at[at, "Count_Cells"]
        reason = f"{number_of(number, 'cell')}; the plate's sites have {usual:g} (median)"
        rows.append(
            {
                **sites.loc[at, KEYS],
                "flag": "empty",
                "measure": "Count_Cells",
                "value": number,
                "limit": limits["empty_cells"],
                "reason": reason,
            }
        )
    return rows


def flag_by_channel(
    sites: pd.DataFrame,
    hit: pd.Series,
    flag: str,
    measure: str,
    over: pd.DataFrame,
    values: pd.DataFrame,
    worst: pd.DataFrame,
    limit: float,
    reason: Callable[[Any, str, list[str]], str],
) -> list[dict[str, Any]]:
    """Return flags of sites, each with its worst channel.

    Parameters
    ----------
    sites
        One row per site.
    hit
        Which sites to flag.
    flag, measure, limit
        The flag's name, the measure on which it is based, and its limit.
    over
        Sites x channels: whether the limit is exceeded.
    values
        Sites x channels: the value to report.
    worst
        Sites x channels: the severity, by which the channel to report is chosen.
    reason
        A function of a site, its worst channel and the channels beyond the limit, which returns the reason.

    Returns
    -------
    Rows of the table of flags.
    """
    rows = []
    for at in sites.index[hit]:
        channel = worst.loc[at].idxmax()
        rows.append(
            {
                **sites.loc[at, KEYS],
                "flag": flag,
                "measure": f"{measure}_{channel}",
                "value": values.at[at, channel],
                "limit": limit,
                "reason": reason(at, channel, [c for c in over if over.at[at, c]]),
            }
        )
    return rows


def split_by_channel(sites: pd.DataFrame, measure: str, channels: list[str]) -> pd.DataFrame:
    """Return a measure of each site, with one column per channel."""
    return pd.DataFrame({channel: sites[f"{measure}_{channel}"] for channel in channels})


def is_in_half_of_channels(over: pd.DataFrame) -> pd.Series:
    """Return whether a site is beyond the limit in at least half of the channels."""
    return over.sum(axis=1) >= over.shape[1] / 2


def flag_saturated(sites: pd.DataFrame, limits: Mapping[str, Any]) -> tuple[pd.Series, list[dict[str, Any]]]:
    """Flag sites with many pixels at the plate's highest value; return which sites, and their flags."""
    channels = [c for c in list_channels(sites, "PercentMaximal") if f"MaxIntensity_{c}" in sites]
    share = split_by_channel(sites, "PercentMaximal", channels)
    highest = split_by_channel(sites, "MaxIntensity", channels)
    # In a dark 8-bit image, many pixels may share the brightest value as well.
    over = (share > limits["saturated_percent"]) & (highest >= 0.98 * highest.max())
    hit = over.any(axis=1).reindex(sites.index, fill_value=False)

    def reason(at: Any, channel: str, named: list[str]) -> str:
        others = [c for c in named if c != channel]
        also = f" (also {', '.join(others)})" if others else ""
        return f"{share.at[at, channel]:.3g} % of the pixels of {channel} have the brightest value{also}"

    limit = limits["saturated_percent"]
    worst = share.where(over)
    return hit, flag_by_channel(sites, hit, "saturated", "PercentMaximal", over, share, worst, limit, reason)


def flag_debris(
    sites: pd.DataFrame, samples: pd.Series, candidates: pd.Series, limits: Mapping[str, Any]
) -> tuple[pd.Series, list[dict[str, Any]]]:
    """Flag sites with far brighter spots and far more contrast than usual in half of the channels.

    They are compared with the plate and with the other sites with the same perturbation. A site of a dim
    perturbation (with at least `LEAST_REPLICATES` other sites) is compared with these others, but must still
    be brighter than half of the plate's sites.

    Parameters
    ----------
    sites
        One row per site.
    samples
        The content of each site's well.
    candidates
        Which sites may be flagged.
    limits
        The config's `quality.limits`.

    Returns
    -------
    Which sites have debris, and their flags.
    """
    channels = [c for c in list_channels(sites, "StdIntensity") if f"MaxIntensity_{c}" in sites]
    if not channels:
        return pd.Series(False, index=sites.index), []
    brightest = split_by_channel(sites, "MaxIntensity", channels)
    contrast = split_by_channel(sites, "StdIntensity", channels)
    ratio = np.minimum(brightest / brightest.median(), contrast / contrast.median())
    replicates = compute_median_of_replicates(ratio, samples, pd.Series(sites.index, index=sites.index))
    limit = limits["debris_ratio"]
    known = samples.map(samples.value_counts()) > LEAST_REPLICATES
    usual = replicates.clip(lower=1).where(~known, replicates.clip(lower=1 / limit)).fillna(1)
    over = ratio > limit * usual
    # One of two channels is half of them; an unreplicated perturbation may change one, dirt is bright in
    # both.
    bright = (ratio > np.sqrt(limit)).sum(axis=1) >= min(len(channels), 2)
    hit = candidates & is_in_half_of_channels(over) & (bright | replicates.notna().any(axis=1))

    def reason(at: Any, channel: str, named: list[str]) -> str:
        return (
            f"brightest pixel and contrast (standard deviation) more than {limit:g} times the plate's in "
            f"{len(named)} of {len(channels)} channels: {', '.join(named)}; in {channel} "
            f"{ratio.at[at, channel]:.1f} times"
        )

    return hit, flag_by_channel(sites, hit, "debris", "StdIntensity", over, ratio, ratio, limit, reason)


def flag_out_of_focus(
    sites: pd.DataFrame, samples: pd.Series, candidates: pd.Series, limits: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Flag sites whose power spectrum is far steeper than usual in half of the channels.

    They are compared with the plate and with other wells with the same perturbation; the parameters are those
    of `flag_debris`.

    Parameters
    ----------
    sites : one row per site.
    samples : the `broad_sample` of each site.
    candidates : whether a site can be judged.
    limits : the config's `quality` block.

    Returns
    -------
    One dictionary per flagged site and channel.
    """
    channels = list_channels(sites, "PowerLogLogSlope")
    if not channels or candidates.sum() < 3:
        return []
    slope = split_by_channel(sites, "PowerLogLogSlope", channels)
    usual = slope[candidates].median()
    # where the usual sites are alike, any other slope is far away
    spread = slope[candidates].apply(get_robust_spread).clip(lower=1e-9)
    shift = slope - usual
    z = shift / spread
    replicates = compute_median_of_replicates(
        slope[candidates], samples[candidates], sites.loc[candidates, "Metadata_Well"]
    )
    from_replicates = slope - replicates
    shift = shift.where(~(from_replicates > shift), from_replicates)
    limit = -limits["focus_z"]
    over = (z < limit) & (shift < -limits["focus_shift"])

    def reason(at: Any, channel: str, named: list[str]) -> str:
        return (
            f"power spectrum steeper than the plate's (robust z {z.at[at, channel]:.1f}, slope "
            f"{slope.at[at, channel]:.2f} instead of {usual[channel]:.2f} in {channel}) in {len(named)} of "
            f"{len(channels)} channels: {', '.join(named)}"
        )

    hit = candidates & is_in_half_of_channels(over)
    return flag_by_channel(sites, hit, "out_of_focus", "PowerLogLogSlope", over, z, -z, limit, reason)

"""Flags of single sites: empty, saturated, debris, out of focus."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lib.errors import number_of
from plate_quality.measures import KEYS, channels_of, median_of_like

# So many other sites with a perturbation tell how dim it is.
LEAST_LIKE = 3
SITE_FLAGS = ("empty", "out_of_focus", "saturated", "debris")


def site_flags(sites: pd.DataFrame, samples: pd.Series, limits: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The flags of single sites, as rows of the table of flags; `samples`: what is in each site's well."""
    is_empty = sites["Count_Cells"] <= limits["empty_cells"]
    is_bright, bright = saturated(sites, limits)
    is_dirty, dirty = debris(sites, samples, ~is_bright, limits)
    blurred = out_of_focus(sites, samples, ~is_empty & ~is_dirty & ~is_bright, limits)
    return [*empty(sites, is_empty, limits), *bright, *dirty, *blurred]


def empty(sites: pd.DataFrame, hit: pd.Series, limits: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Flag the sites without cells, or with hardly any."""
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


def in_channels(
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
    """Flag the sites that are `hit`, each by the channel in which it is worst.

    Args:
        over: which site is beyond the limit in which channel.
        values: what the flag tells of a site and channel.
        worst: how bad each is; the largest counts.
        reason: of a site, its worst channel and the channels beyond the limit: what is wrong.
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


def by_channel(sites: pd.DataFrame, measure: str, channels: list[str]) -> pd.DataFrame:
    """A measure of each site, a column a channel."""
    return pd.DataFrame({channel: sites[f"{measure}_{channel}"] for channel in channels})


def in_half(over: pd.DataFrame) -> pd.Series:
    """Whether a site is beyond the limit in at least half of the channels."""
    return over.sum(axis=1) >= over.shape[1] / 2


def saturated(sites: pd.DataFrame, limits: Mapping[str, Any]) -> tuple[pd.Series, list[dict[str, Any]]]:
    """Sites with many pixels at the highest value that the plate's images reach: which, flags."""
    channels = [c for c in channels_of(sites, "PercentMaximal") if f"MaxIntensity_{c}" in sites]
    share = by_channel(sites, "PercentMaximal", channels)
    highest = by_channel(sites, "MaxIntensity", channels)
    # The brightest value of a dark 8-bit image, too, may be that of many of its pixels.
    over = (share > limits["saturated_percent"]) & (highest >= 0.98 * highest.max())
    hit = over.any(axis=1).reindex(sites.index, fill_value=False)

    def reason(at: Any, channel: str, named: list[str]) -> str:
        others = [c for c in named if c != channel]
        also = f" (also {', '.join(others)})" if others else ""
        return f"{share.at[at, channel]:.3g} % of the pixels of {channel} are at the brightest value{also}"

    limit = limits["saturated_percent"]
    worst = share.where(over)
    return hit, in_channels(sites, hit, "saturated", "PercentMaximal", over, share, worst, limit, reason)


def debris(
    sites: pd.DataFrame, samples: pd.Series, judged: pd.Series, limits: Mapping[str, Any]
) -> tuple[pd.Series, list[dict[str, Any]]]:
    """Sites that are far brighter and richer in contrast than the plate's in half of the channels, and than
    the other sites with the same perturbation: which, flags.

    A site of a perturbation that is dim (`LEAST_LIKE` other sites say so) is judged by these others; it still
    must be brighter than half of the plate's sites.
    """
    channels = [c for c in channels_of(sites, "StdIntensity") if f"MaxIntensity_{c}" in sites]
    if not channels:
        return pd.Series(False, index=sites.index), []
    brightest = by_channel(sites, "MaxIntensity", channels)
    contrast = by_channel(sites, "StdIntensity", channels)
    ratio = np.minimum(brightest / brightest.median(), contrast / contrast.median())
    like = median_of_like(ratio, samples, pd.Series(sites.index, index=sites.index))
    limit = limits["debris_ratio"]
    known = samples.map(samples.value_counts()) > LEAST_LIKE
    usual = like.clip(lower=1).where(~known, like.clip(lower=1 / limit)).fillna(1)
    over = ratio > limit * usual
    # One of two channels is half of them; a perturbation that is alone may change one, dirt shines in both.
    bright = (ratio > np.sqrt(limit)).sum(axis=1) >= min(len(channels), 2)
    hit = judged & in_half(over) & (bright | like.notna().any(axis=1))

    def reason(at: Any, channel: str, named: list[str]) -> str:
        return (
            f"brightest pixel and contrast (standard deviation) over {limit:g} times the plate's in "
            f"{len(named)} of {len(channels)} channels: {', '.join(named)}; in {channel} "
            f"{ratio.at[at, channel]:.1f} times"
        )

    return hit, in_channels(sites, hit, "debris", "StdIntensity", over, ratio, ratio, limit, reason)


def out_of_focus(
    sites: pd.DataFrame, samples: pd.Series, judged: pd.Series, limits: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Flag sites whose power spectrum is far steeper than the plate's in half of the channels, and than
    that of other wells with the same perturbation."""
    channels = channels_of(sites, "PowerLogLogSlope")
    if not channels or judged.sum() < 3:
        return []
    slope = by_channel(sites, "PowerLogLogSlope", channels)
    usual = slope[judged].median()
    z = slope.apply(lambda values: (values - values[judged].median()) / spread(values[judged]))
    shift = slope - usual
    unlike = slope - median_of_like(slope[judged], samples[judged], sites.loc[judged, "Metadata_Well"])
    shift = shift.where(~(unlike > shift), unlike)
    limit = -limits["focus_z"]
    over = (z < limit) & (shift < -limits["focus_shift"])

    def reason(at: Any, channel: str, named: list[str]) -> str:
        return (
            f"power spectrum steeper than the plate's (robust z {z.at[at, channel]:.1f}, slope "
            f"{slope.at[at, channel]:.2f} against {usual[channel]:.2f} in {channel}) in {len(named)} of "
            f"{len(channels)} channels: {', '.join(named)}"
        )

    hit = judged & in_half(over)
    return in_channels(sites, hit, "out_of_focus", "PowerLogLogSlope", over, z, -z, limit, reason)


def spread(values: pd.Series) -> float:
    """1.4826 MAD; never 0."""
    return max(1.4826 * (values - values.median()).abs().median(), 1e-9)

"""The project's own charts, made from plain values and styled alike.

Texts are escaped: plotly reads some HTML in labels. Touches plotly; gives figures; runs on the
driver.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape

from plotly.graph_objects import Bar, Box, Figure, Histogram, Scatter

COLOURS = ("#2563c9", "#e07a1f", "#2c9a6b", "#b8408f", "#7a5bd0", "#c23b3b", "#4aa3bf", "#8a7a3d")
_MOST_POINTS = 300
_STATES = {"success": "#2c9a6b", "pruned": "#9db4d8", "failed": "#c23b3b", "timed_out": "#e07a1f"}


def counts(numbers: Mapping[str, int], *, of: str) -> Figure:
    """Return a bar chart of counts, the highest on top.

    Args:
        numbers: The counts, by name.
        of: The unit of the counts, e.g. "customers".
    """
    ranked = sorted(numbers.items(), key=lambda pair: pair[1])
    return _laid_out(
        Figure(
            Bar(
                x=[number for _, number in ranked],
                y=[_label(name) for name, _ in ranked],
                text=[f"{number:,}" for _, number in ranked],
                orientation="h",
                marker_color=COLOURS[0],
                hovertemplate="%{y}: %{x}<extra></extra>",
            )
        ),
        x=of,
    )


def states(by_name: Mapping[str, Mapping[str, int]], *, of: str) -> Figure:
    """Return a bar chart of counts by state, one stacked bar per name.

    Args:
        by_name: The counts, by name and state.
        of: The unit of the counts, e.g. "trials".
    """
    names = sorted(by_name, reverse=True)
    bars = [
        Bar(
            x=[by_name[name].get(state, 0) for name in names],
            y=[_label(name) for name in names],
            name=state.replace("_", " "),
            orientation="h",
            marker_color=colour,
            hovertemplate="%{y}: %{x} %{fullData.name}<extra></extra>",
        )
        for state, colour in _STATES.items()
        if any(found.get(state) for found in by_name.values())
    ]
    return _laid_out(Figure(bars), x=of).update_layout(barmode="stack", showlegend=True)


def spread(values: Sequence[float], *, of: str) -> Figure:
    """Return a histogram of the values."""
    return _laid_out(
        Figure(Histogram(x=list(values), nbinsx=24, marker_color=COLOURS[0])), x=of
    ).update_layout(bargap=0.06, yaxis={"title": "customers", "nticks": 4})


def boxes(groups: Mapping[str, Sequence[float]], *, of: str) -> Figure:
    """Return a box plot of each group's values, with all values or only the outliers as points."""
    drawn = [
        Box(
            x=list(values),
            name=_label(name),
            boxpoints="all" if len(values) <= _MOST_POINTS else "outliers",
            jitter=0.5,
            pointpos=0,
            marker={"size": 4, "opacity": 0.55},
            line={"width": 1.5},
            marker_color=COLOURS[number % len(COLOURS)],
        )
        for number, (name, values) in enumerate(sorted(groups.items()))
    ]
    figure = _laid_out(Figure(drawn[::-1]), x=of)
    return figure.update_layout(showlegend=False)


def clouds(
    groups: Mapping[str, Sequence[tuple[float, float, str]]], *, x: str, y: str, log: bool = True
) -> Figure:
    """Return a scatter plot of each group's points `(x, y, text)`; `log` makes x logarithmic."""
    drawn = [
        Scatter(
            x=[point[0] for point in points],
            y=[point[1] for point in points],
            text=[escape(point[2]) for point in points],
            name=_label(name),
            mode="markers",
            marker={"size": 8, "opacity": 0.75, "color": COLOURS[number % len(COLOURS)]},
            hovertemplate="%{text}<br>%{x:.3g}, %{y:.4f}<extra></extra>",
        )
        for number, (name, points) in enumerate(sorted(groups.items()))
    ]
    figure = _laid_out(Figure(drawn), x=x).update_layout(yaxis_title=escape(y), showlegend=True)
    return figure.update_xaxes(type="log" if log else "linear")


def course(moments: Sequence[float], values: Sequence[float], names: Sequence[str]) -> Figure:
    """Return a step chart of a value over time, with a name at each change.

    Args:
        moments: The times of the changes, in epoch seconds.
        values: The new value at each change.
        names: The name of each change.
    """
    return _laid_out(
        Figure(
            Scatter(
                x=[datetime.fromtimestamp(moment).astimezone() for moment in moments],
                y=list(values),
                text=[_label(name) for name in names],
                mode="lines+markers+text",
                textposition="top center",
                line={"shape": "hv", "color": COLOURS[0], "width": 2},
                marker={"size": 9},
                hovertemplate="%{x}<br>%{text}: %{y:.4f}<extra></extra>",
                cliponaxis=False,
            )
        ),
        x="",
    )


def _laid_out(figure: Figure, *, x: str) -> Figure:
    return figure.update_layout(
        xaxis_title=escape(x),
        yaxis={"automargin": True},
    )


def _label(name: str) -> str:
    """Return a name as escaped text, shortened to 32 characters."""
    return escape(name if len(name) <= 32 else f"{name[:31]}…")

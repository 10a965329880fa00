"""Saved views of MLflow's web page: ready comparisons, in its "Views" menu and by link.

Touches no library; takes a metric and a flow run; gives tags of the experiment, and links; driver.

MLflow keeps a saved view as a tag of the experiment, in an internal format (taken from the code of
its web page, version 3.17: the defaults are those of `createExperimentPageUIState`). `_state` is
the only function that knows the format. If a later MLflow does not understand it, a view is lost,
never a run.
"""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from orchestrator.records import Evaluation

UI_PORT = 5000
"""The default port on which `orchestrator ui` serves MLflow's page."""

_TAG = "mlflow.sharedViewState."


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The content of one view.

    Attributes:
        id: The name of its link and of its tag.
        name: The name in the menu.
        filter: The filter that selects the runs, in MLflow's search syntax.
        order_by: The column that runs are sorted by, e.g. "metrics.`roc_auc`".
        ascending: Whether the smallest value comes first.
        columns: The columns shown.
        group_by: The tag that runs are grouped by; each group shows its best value.
        best: Whether the smallest or the largest value of a metric is a group's best.
    """

    id: str
    name: str
    filter: str
    order_by: str
    ascending: bool
    columns: Sequence[str]
    group_by: str | None = None
    best: Literal["min", "max"] = "max"


def views(evaluation: Evaluation, flow_run: str) -> tuple[View, ...]:
    """Return the views of every experiment: its champions, the latest flow run, its failures.

    Args:
        evaluation: Its metrics become columns; runs are sorted by the metric that selects.
        flow_run: The flow run that the second view shows.
    """
    metrics = [f"metrics.`{name}`" for name in (*evaluation.metrics, f"{evaluation.metric}_std")]
    order_by, ascending = f"metrics.`{evaluation.metric}`", evaluation.selecting.is_minimized
    scores = ["tags.`customer`", "tags.`model`", *metrics, "metrics.`fit_seconds`"]
    return (
        View(
            id="champions",
            name="Champions",
            filter='tags.champion = "true"',
            order_by=order_by,
            ascending=ascending,
            columns=[*scores, "metrics.`rows`", "tags.`segment`"],
        ),
        View(
            id="flow-run",
            name="This flow run by customer",
            filter=f'tags.flow_run = "{flow_run}"',
            order_by=order_by,
            ascending=ascending,
            columns=[*scores, "tags.`champion`"],
            group_by="customer",
            best="min" if ascending else "max",
        ),
        View(
            id="failures",
            name="Failures",
            filter='attributes.status = "FAILED"',
            order_by="attributes.`start_time`",
            ascending=False,
            columns=["tags.`customer`", "tags.`model`", "tags.`error`", "tags.`flow_run`"],
        ),
    )


def view_tags(shown: Sequence[View], *, at: float) -> dict[str, str]:
    """Return the tags of the experiment that put these views into MLflow's menu.

    Args:
        shown: The views.
        at: The time they are saved, in epoch seconds; the menu lists the latest first.
    """
    milliseconds = round(at * 1000)
    return {
        f"{_TAG}{view.id}": json.dumps(
            {
                "name": view.name,
                "createdAt": milliseconds,
                "updatedAt": milliseconds,
                "state": _packed(_state(view)),
            }
        )
        for view in shown
    }


def links(base_url: str, experiment_id: str, shown: Sequence[View]) -> dict[str, str]:
    """Return the address of each view, by the view's name.

    Args:
        base_url: The address of MLflow's web page.
        experiment_id: MLflow's id of the experiment.
        shown: The views.
    """
    page = (
        f"{base_url.rstrip('/')}/#/experiments/{experiment_id}/runs?workflowType=machine_learning"
    )
    # Only the view's id: if the address holds a filter as well, MLflow ignores the view.
    return {view.name: f"{page}&viewStateShareKey={view.id}" for view in shown}


def link_to_file(base_url: str, experiment_id: str, run_id: str, file: str) -> str:
    """Return the address of a run's file.

    Args:
        base_url: The address of MLflow's web page.
        experiment_id: MLflow's id of the experiment.
        run_id: MLflow's id of the run.
        file: The file's name within the run's files.
    """
    base = base_url.rstrip("/")
    return f"{base}/#/experiments/{experiment_id}/runs/{run_id}/artifacts/{file}"


def _state(view: View) -> dict[str, Any]:
    grouping = view.group_by and {
        "aggregateFunction": view.best,
        "groupByKeys": [{"mode": "tag", "groupByData": view.group_by}],
    }
    return {
        "searchFilter": view.filter,
        "orderByKey": view.order_by,
        "orderByAsc": view.ascending,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(view.columns),
        "columnOrder": [],
        "columnWidths": {},
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "FIRST_10_RUNS",
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": False,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": grouping,
        "groupsExpanded": {},
        "autoRefreshEnabled": True,
        "globalLineChartConfig": {
            "xAxisKey": "step",
            "lineSmoothness": 0,
            "selectedXAxisMetricKey": "",
        },
    }


def _packed(state: Mapping[str, Any]) -> str:
    compressed = zlib.compress(json.dumps(state).encode())
    return f"deflate;{base64.b64encode(compressed).decode()}"

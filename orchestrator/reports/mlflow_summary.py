"""A flow run's report in MLflow: a run of its own, with one HTML file.

This run has none of the tags that trials are grouped by, so no view shows it among them. The report
is made from the ledger and can be written again at any time (`orchestrator report`).

Touches MLflow through a `Tracker`; reads the ledger; runs on the driver.
"""

from collections.abc import Sequence

from orchestrator.ledger import Ledger
from orchestrator.mlflow.runs.tracked_run import summary_run
from orchestrator.mlflow.runs.tracker import Location, Tracker
from orchestrator.records import FlowRun
from orchestrator.reports.overview_page import overview_page
from orchestrator.reports.rendering import render

FILE = "report.html"

_MOST_CUSTOMERS = 10
"""The maximum number of customers whose searches are shown one by one."""


def send_summary(
    experiment: str, ledger: Ledger, tracker: Tracker, flow_run: FlowRun, searched: Sequence[str]
) -> Location:
    """Write the report of a flow run as a file of its own MLflow run.

    Args:
        experiment: The experiment's name.
        ledger: The ledger that the report is made from.
        tracker: The tracker that receives the report.
        flow_run: The flow run, which has ended.
        searched: The customers for which the flow run made trials.

    Raises:
        MachineryError: MLflow refused.
    """
    page = overview_page(ledger, experiment, searched[:_MOST_CUSTOMERS])
    run = summary_run(flow_run, customers=len(searched))
    tracker.log([run])
    tracker.attach(run.run_id, FILE, render(page))
    return tracker.locate([run.run_id])[run.run_id]

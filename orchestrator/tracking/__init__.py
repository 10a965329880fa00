"""Trials as MLflow runs: what is said of a trial, and the writers that say it.

    runs.py      TrialResult -> TrackedRun; pure
    limits.py    a TrackedRun as MLflow accepts it
    tracker.py   the seam: `Tracker`
    bulk.py      many runs a transaction, through MLflow's own tables
    client.py    one run after another, through MLflow's client
    making.py    a database file, whole or not there
    ownership.py whose an experiment is; markers.py whose a folder is
    opening.py   tracking address -> the tracker for it
    views.py     saved views of MLflow's web page, and links to them
    ui.py        that web page's server

Touches MLflow and SQLAlchemy; runs on the driver only (law 5). MLflow takes more than a second to
import, so import the module you need, when you need it.
"""

"""Trials as runs.

    tracker      the seam
    tracked_run  a trial result as an MLflow run
    bulk         many runs in one transaction, in MLflow's tables
    client       one by one, through MLflow's client
    opening      a tracking address to the tracker that serves it best
    inputs       the datasets that runs were made from
    limits       MLflow's limits on keys and values

Touches MLflow; takes trial results; runs on the driver.
"""

"""Trials as runs.

    tracker      the seam
    tracked_run  a trial result in MLflow's words
    bulk         many runs a transaction, in MLflow's tables
    client       run after run, through MLflow's client
    opening      a tracking address to the tracker that serves it best
    inputs       the datasets that runs were made from
    limits       MLflow's limits on keys and values

Touches MLflow; takes trial results; runs on the driver.
"""

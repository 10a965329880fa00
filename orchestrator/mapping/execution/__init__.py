"""Calls carried out: the seam of executors, and the one place that calls users' functions.

    executor       the protocol and its records
    inline         one call after the other, in this process
    deferred       a cluster that is connected to when the first call needs it
    invoke         users' functions called, on a worker or here
    own_arguments  arguments that an instance may change
    context        `from orchestrator import context`
    capture        what tasks print, log and warn of
    attempt_log    the text of one attempt, bounded

Touches no library; runs on the driver and on workers.
"""

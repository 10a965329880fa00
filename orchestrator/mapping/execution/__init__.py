"""Execution of calls: the seam of executors, and the one place that calls users' functions.

    executor       the protocol and its records
    inline         one call after the other, in this process
    deferred       an executor that connects to its cluster when the first call needs it
    invoke         calls of users' functions, on a worker or here
    own_arguments  arguments that an instance may change
    context        `from orchestrator import context`
    capture        the capture of tasks' prints, logs and warnings
    attempt_log    the text of one attempt, bounded

Touches no library; runs on the driver and on workers.
"""

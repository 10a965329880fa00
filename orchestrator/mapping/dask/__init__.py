"""The executor for a Dask cluster: `executor.DaskExecutor`.

    executor                   joins the parts; implements `execution.executor.Executor`
    backlog, batch_sizing      waiting calls, and the size of batches
    batch_merging              calls of several nodes in one batch
    serialization, submission  calls to bytes, and to the cluster
    worker, gate               what runs on workers: batches, and what may run beside a suspect
    scheduler                  what runs on the scheduler: deaths reported, hung workers ended
    messages                   one record for each kind of report
    event_queue, batches       what Dask reports, and what is under way
    batch_results              values of a batch
    worker_results             results pickled on workers, and results too large to travel
    attribution, recovery      the cause of a batch without results, and the calls to repeat
    connection, cluster        the connection to the scheduler; the workers
    demand, memory             work in flight, for a cluster that grows; peaks of memory

Touches distributed, which takes a second to import: import what you need, when you need it.
"""

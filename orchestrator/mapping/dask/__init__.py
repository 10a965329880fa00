"""The executor for a Dask cluster: `executor.DaskExecutor`.

    executor              joins the parts; the seam of `orchestrator.mapping.executing`
    backlog, pace         what waits, and how many calls make a batch
    packing, sending      calls to bytes, and to the cluster
    worker, gate          what runs on workers: batches, and who may run beside a suspect
    scheduler             what runs on the scheduler: deaths told at once, hung workers ended
    listening, running    what is under way, and what is heard of it
    reports, verdicts     what a batch's end means for its calls
    kept                  large values, which stay on the cluster
    cluster               what the cluster can do

Touches distributed, which takes a second to import: import what you need, when you need it.
"""

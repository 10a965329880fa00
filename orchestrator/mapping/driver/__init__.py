"""The driver of a flow run: the only part of `mapping` with a clock.

    loop          joins engine, executor, coordinators, recorder and clock
    coordinators  `async def` tasks, which await mapped calls
    journal       ends, to the recorder in bulk; recorded results, recalled
    lease         the right to be the one driver of a flow
    recorder      the seam through which a flow run is recorded
    fingerprints  a result's dependencies, as one hash
    rerun         instances that run again despite a recorded success
    progress      the progress of a flow run
    pacing        the clock behind rates
    task_logs     the tasks' output, as it arrives
    event_log     a flow run as log records

Touches no library; runs on the driver.
"""

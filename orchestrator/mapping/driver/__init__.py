"""The driver of a flow run: the only part of `mapping` with a clock.

    loop          joins engine, executor, coordinators, recorder and clock
    coordinators  `async def` tasks, which await mapped calls
    journal       what ended, to the recorder in bulk; what is recorded, recalled
    recorder      the seam through which a flow run is recorded
    fingerprints  what a result depends on, as one hash
    rerun         what is done again though a success is recorded
    progress      how far a flow run is
    pacing        the clock behind rates
    task_logs     what tasks print and log, as it arrives
    event_log     a flow run as log records

Touches no library; runs on the driver.
"""

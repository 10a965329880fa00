"""Driving a flow run from the command line.

    run_file     the flow of a file, summed up
    resume       a flow run continued, or a part of it run again
    run_options  the options that these have in common
    watching     progress bars and metrics

Touches Dask through `mapping` and `clusters`; takes parsed options; gives a flow run; driver.
"""

"""Driving a flow run from the command line.

    run_file     runs the flow of a file and prints a summary
    resume       continues a flow run, or runs a part of it again
    run_options  the options that these have in common
    watching     progress bars and metrics

Touches Dask through `mapping` and `clusters`; takes parsed options; gives a flow run; driver.
"""

"""Driving a flow run from the command line.

    run_file     a flow of a file: connected, recorded, watched, summed up
    resume       an interrupted flow run continued
    rerun        chosen instances run again
    flow_files   `FILE.py[:flow]` to a flow
    parameters   `--param name=value` to typed arguments
    run_options  the options that the three have in common
    interrupts   Ctrl-C
    watching     progress bars and metrics
    metrics      Prometheus metrics

Touches Dask through `mapping` and `clusters`; takes parsed options; gives a flow run; driver.
"""

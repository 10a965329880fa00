"""The front door: everything that the command line can do, as Python objects.

    experiment      an experiment: plan, run, resume, status, history, and the rest
    resumption      a flow run to be continued
    reruns          a part of a flow run to be run again
    file_runs       the flow of a file, run
    flow_files      `FILE.py[:flow]` to a flow
    parameters      `NAME=VALUE` to the typed arguments of a flow
    run_settings    the cluster and ledger for flows of files
    watching        the ways to watch a flow run and to stop it
    interrupts      Ctrl-C and SIGTERM as requests to stop
    metrics         Prometheus metrics of a flow run
    documents       Python objects as a configuration
    project_folder  the folder that a project's relative addresses and modules start from

Touches no library itself; takes a configuration, or Python objects; gives frozen records that can
be shown as tables; driver.
"""

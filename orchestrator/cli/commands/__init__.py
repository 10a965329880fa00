"""The commands, one module per group.

    flows          run, resume, rerun, graph
    training       plan, why, sync, status, history
    runs           runs, instances
    instance_logs  logs
    registry       registry import, registry show
    configuration  config schema, config docs
    snapshots      snapshot list, snapshot show, snapshot diff
    trials         trials
    pages          report: one HTML file
    removal        clean, forget
    doctor         doctor
    stores         adopt-store
    backup         backup
    ui             ui: MLflow's web page

Touches typer; each takes arguments, calls a room below, and renders what that returns; driver.
"""

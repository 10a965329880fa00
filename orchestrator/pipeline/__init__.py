"""The pipeline: the only package that knows the order of the stages.

    pipeline            registry, ledger, cluster, training, MLflow, deployment, in this order
    resolution          what the settings name, as objects, found once
    preparation         what is fetched, compared and checked before a flow run
    execution           what is opened and run once the work is known
    cluster             started when the first call needs it
    plan, explanation   what a flow run would do, and why, for all or for one customer
    customer_plan       one customer's part of the work
    training_flow       map, reduce, map, reduce
    customer_flow       studies evaluated, champion compared, decision made
    study_flow          a study on one worker
    distributed_study   a study with its trials spread over workers
    placement           which studies are spread, which customers come first
    carry_over          what a study knows before it starts
    estimate, notes     how long it would take; what a person should know
    report              what a flow run came to
    report_building     the report, from the ledger
    config_snapshot     the configuration as it is kept with a flow run
    clearance           what was checked before, and need not be again
    worker_needs        modules and packages that workers need

Touches no library itself; takes an `ExperimentSettings`; gives a `Report`; runs on the driver.
"""

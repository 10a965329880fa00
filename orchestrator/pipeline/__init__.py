"""The pipeline: the only package that knows the order of the stages.

    pipeline            registry, ledger, cluster, training, MLflow, deployment, in this order
    resolution          the objects that the settings name, each found once
    preparation         everything fetched, compared and checked before a flow run
    execution           the run itself, once the work is known
    cluster             the cluster, started when the first call needs it
    plan, explanation   the steps a flow run would take, and why, for all or for one customer
    customer_plan       one customer's part of the work
    training_flow       map, reduce, map, reduce
    customer_flow       one customer: evaluate studies, compare the champion, decide
    study_flow          a study on one worker
    distributed_study   a study with its trials spread over workers
    placement           the choice of studies to spread and of customers to start first
    carry_over          earlier results that a study starts with
    estimate, notes     expected duration; remarks for the user
    report              the result of a flow run
    report_building     builds the report from the ledger
    config_snapshot     the copy of the configuration that is stored with a flow run
    clearance           checks that passed before and need not be repeated
    worker_needs        modules and packages that workers need

Touches no library itself; takes an `ExperimentSettings`; gives a `Report`; runs on the driver.
"""

"""The maintenance of a project between flow runs.

    doctor              finds problems, and repairs what can be repaired
    findings            the records of problems
    ledger_checks       the consistency of the ledger
    mlflow_checks       MLflow and the artifact root against the ledger
    environment_checks  disks, versions, cluster
    removal             clean by rule, forget one customer
    adoption            stores taken over by this ledger

Touches MLflow through `mlflow`; takes an `ExperimentSettings`; gives findings and counts; driver.
"""

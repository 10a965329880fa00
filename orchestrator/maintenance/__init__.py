"""What keeps a project well between flow runs.

    doctor              finds problems, and repairs what can be repaired
    findings            the words for a problem
    ledger_checks       the ledger against itself
    mlflow_checks       MLflow and the artifact root against the ledger
    environment_checks  disks, versions, cluster
    removal             clean by rule, forget one customer
    adoption            stores that become this ledger's own

Touches MLflow through `mlflow`; takes an `ExperimentSettings`; gives findings and counts; driver.
"""

"""SQL for both the ledger and MLflow.

    addresses  addresses in SQLAlchemy's form
    engines    connections to databases of other programs
    inserts    inserts of rows that may exist already

Touches SQLAlchemy; runs on the driver.
"""

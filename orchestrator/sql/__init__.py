"""SQL for ledger and MLflow alike.

    addresses  an address as SQLAlchemy takes it
    engines    connections to databases that others own
    inserts    rows added that may be there already

Touches SQLAlchemy; runs on the driver.
"""

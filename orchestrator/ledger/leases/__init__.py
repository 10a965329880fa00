"""One live driver an experiment or flow.

    leases  taken, renewed and released, in the ledger
    holder  a lease held and renewed by a thread while something is done

Touches SQLAlchemy; runs on the driver.
"""

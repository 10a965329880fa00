"""Leases: one live driver for each experiment or flow.

    leases  leases taken, renewed and released, in the ledger
    holder  a lease that a thread renews while a driver works

Touches SQLAlchemy; runs on the driver.
"""

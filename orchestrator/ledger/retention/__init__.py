"""Removal of records that the ledger no longer needs.

    retention  studies, results and instances that later work has replaced
    erasure    everything of one customer, as a privacy law may demand

Touches SQLAlchemy; takes a rule or a customer; gives what was removed; runs on the driver.
"""

"""Copies of a ledger.

    backup   a copy of an SQLite ledger as of one moment
    restore  the way from a backup to the ledger

Touches sqlite3; takes and gives files; runs on the driver.
"""

"""A ledger's copies.

    backup   a copy of an SQLite ledger as of one moment
    restore  a backup becomes the ledger again

Touches sqlite3; takes and gives files; runs on the driver.
"""

"""The lists of models, grids and customers: from an address to a checked `Snapshot`.

    sources                  the Protocol of a source, and opening one by name
    file, sql, http, python  sources
    documents, cells         YAML and JSON read as data; cells as plain JSON
    rows, spaces, specs      the shape of a row, its search space, its records
    snapshots                fetch both lists, check them, freeze them
    guards                   checks that stop a suspicious answer
    importing                write lists into the SQL registry

Touches SQLAlchemy, fsspec and httpx, each in one module; driver.
"""

"""Where lists of models, grids and customers come from: an address in, a `Snapshot` out.

    sources                  the seam, and sources by name
    file, sql, http, python  sources
    documents, cells         YAML and JSON read as data; cells as plain JSON
    rows, spaces, specs      the shapes of rows, and what they say
    snapshots                both lists fetched, checked and made immutable
    guards                   what stops a suspicious answer
    importing                lists put into the SQL registry

Touches SQLAlchemy, fsspec and httpx, each in one module; driver.
"""

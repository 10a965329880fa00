"""Where lists of models, grids and customers come from: an address in, a `Snapshot` out."""

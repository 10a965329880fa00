"""Lists that a web service returns as JSON.

    source    the source: a page at a time
    download  documents fetched, with patience and limits
    decoding  bodies decoded within a limit of size
    copies    pages that a service need not send again

Touches httpx; takes an address; gives rows; driver.
"""

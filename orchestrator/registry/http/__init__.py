"""Lists that a web service returns as JSON.

    source    the source: a page at a time
    download  fetches documents, with retries and limits
    decoding  decodes bodies within a size limit
    copies    cached pages that a service need not send again

Touches httpx; takes an address; gives rows; driver.
"""

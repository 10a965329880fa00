"""The output of commands: tables for people, JSON for machines.

    output        tables, lines and JSON, and the choice among them
    plans         plans, whole or for one customer
    reports       training reports, status and history
    flow_summary  the end of a flow run
    differences   changes of the registry
    progress      a bar for each node

Touches rich; takes records; gives text; driver.
"""

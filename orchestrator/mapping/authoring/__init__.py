"""The parts a flow is written with; nothing runs here.

    tasks                   functions that become instances
    nodes                   the graph of calls and references
    sequences               what can be mapped over, lazily
    product, rows           cross products; rows of a DataFrame
    options, option_table   a task's options and their values
    key_templates           the option `key`
    trigger_rules           Airflow's words for what upstream ends mean
    limit_groups            instances that share a limit or a rate
    graph                   the graph for people, before anything runs

Touches no library; runs on the driver.
"""

"""Pages and tables about customers: one HTML file that works offline.

    overview_page   all customers
    customer_page   one customer
    front_section   several objectives of one customer
    customer_trials  the trials of one customer
    status          what serves, and the history of one customer or model
    mlflow_summary  a flow run's page in MLflow
    page            the parts of a page
    charts          charts in plain values
    rendering       a page to one HTML file
    formatting      parameters and moments as people read them

Touches jinja2 and plotly; takes the ledger; gives HTML; driver.
"""

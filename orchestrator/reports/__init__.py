"""Pages and tables about customers: one HTML file that works offline.

    overview_page   all customers
    customer_page   one customer
    front_section   several objectives of one customer
    customer_trials  the trials of one customer
    status          the champion of each customer, and the history of a customer or model
    mlflow_summary  a flow run's page in MLflow
    page            the parts of a page
    charts          charts of plain values
    rendering       a page as one HTML file
    formatting      parameters and times in readable form

Touches jinja2 and plotly; takes the ledger; gives HTML; driver.
"""

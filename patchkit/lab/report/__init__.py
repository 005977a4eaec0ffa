"""The report of a campaign: its folder, tables, plots, and HTML page."""

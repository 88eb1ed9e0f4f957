"""The report in its forms: markdown, CSV, LaTeX, plots and one HTML page."""

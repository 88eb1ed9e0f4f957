"""Statistical tests, and the page that says what the tables support."""

"""The report: one HTML page that opens from disk."""

"""The pages of a report, of collapse and of tuning."""

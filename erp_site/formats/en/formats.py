"""Dates in English for readers in Brazil: 11/12/2026 would be another day to them, and their clocks have 24 hours."""

SHORT_DATE_FORMAT = "M j, Y"
SHORT_DATETIME_FORMAT = "M j, Y, H:i"

"""Sheets that agencies hand in: read, checked row by row, given back with reasons. No HTTP, no clock."""

"""Files of agencies, pushed row by row through the HTTP ingest: mapped, sent in order, resumable."""

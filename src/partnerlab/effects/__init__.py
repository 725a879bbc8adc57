"""See design: filled by its room."""

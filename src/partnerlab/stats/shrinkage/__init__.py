"""Borrowing strength: many groups with few data each."""

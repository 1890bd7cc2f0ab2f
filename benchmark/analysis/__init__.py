"""What runs say together: which may be averaged, what must be said beside it."""

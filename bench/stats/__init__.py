"""Statistics: what a history says in figures, and what several trials say together."""

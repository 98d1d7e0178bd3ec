"""The survey's systems, trained small: with their mechanism, without it, and beside what one gets without learning."""

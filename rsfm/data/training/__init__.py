"""From records to batches: prepared, augmented, normalized, mixed."""

"""History: one value per series and microsecond, rolled up by minute, hour and day."""

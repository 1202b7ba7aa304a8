"""StatsD over UDP, with DogStatsD's tags: summed up for some seconds, then kept as points."""

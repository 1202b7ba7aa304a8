"""The judge and the messenger: rules are judged on a schedule, alerts open and resolve, people are told."""

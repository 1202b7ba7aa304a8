"""The calendar: events, on-call shifts and maintenance windows, once or again and again."""

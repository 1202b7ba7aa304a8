"""Ways to reach people: one file each, all behind `base.Channel`."""

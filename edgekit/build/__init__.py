"""The main job: a recipe in, a report out; the only place that knows the order of the steps."""

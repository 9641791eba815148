"""The main job: a recipe in, a report out; the only place that knows the order of the steps."""

from edgekit.build.run import plan, run

__all__ = ["plan", "run"]

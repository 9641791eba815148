"""A report as people and machines read it: Markdown, JUnit, HTML; made from the report alone."""

"""The parts of the report page: its pictures, its numbers, its Methods paragraph and its template."""

"""What the report page is made of: its pictures, its numbers, its Methods paragraph and its template."""

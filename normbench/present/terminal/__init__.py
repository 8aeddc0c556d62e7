"""What a terminal shows that is not a table: live progress, panels, blocks of numbers."""

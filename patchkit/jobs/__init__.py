"""What the commands do, as functions over the rooms below: no parsing, no printing of results."""

"""What the commands do, as functions over the packages below: no parsing, no printing of results."""

"""Rules: each looks at one handshake for one kind of fault."""

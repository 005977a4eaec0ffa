"""Which OpenVPN releases there are, and how upstream spells, orders and publishes them."""

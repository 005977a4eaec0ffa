"""What commands print on stdout: tables for people, and with ``--json`` one document."""

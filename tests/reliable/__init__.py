"""The room of upstream's reliable.c alone, with a fake clock and a link whose every fate is known."""

"""Small C files of our own in the three styles that upstream has used: no line of them is upstream's."""

from __future__ import annotations

from patchkit.source.tree import Entry, Origin, SourceTree

GNU = """\
/* a sample in GNU style */
struct buffer *
reliable_get_buf_output_sequenced (struct reliable *rel)
{
  struct buffer *found = NULL;

  if (room_in_window (rel))
    {
      found = next_free (rel);
    }
  else
    {
      dmsg (D_LOW, "ACK output sequence broken: %s", ids_of (rel));
    }
  return found;
}

void
another (void)
{
}
"""

ALLMAN = """\
/* a sample in Allman style */
struct buffer *
reliable_get_buf_output_sequenced(struct reliable *rel)
{
    struct buffer *found = NULL;

    if (room_in_window(rel))
    {
        found = next_free(rel);
    }
    else
    {
        struct arena local = arena_new();
        dmsg(D_LOW, "ACK output sequence broken: %s", ids_of(rel, &local));
        arena_free(&local);
    }
    return found;
}
"""


def tree(reliable_c: str | bytes, path: str = "src/openvpn/reliable.c") -> SourceTree:
    """A tree that holds just this reliable.c."""
    data = reliable_c.encode() if isinstance(reliable_c, str) else reliable_c
    origin = Origin(kind="directory", name="sample", verified=False, epoch=0)
    return SourceTree(origin, {path: Entry.of(data), "configure.ac": Entry.of(b"")})

"""Small C files of our own in the styles and shapes that upstream has used: no line of them is upstream's."""

from __future__ import annotations

from collections.abc import Mapping

from patchkit.source.tree.tree import Entry, Origin, SourceTree

GNU = """\
void reliable_schedule_now (struct reliable *); /* a sample in GNU style */
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
void reliable_schedule_now(struct reliable *); /* a sample in Allman style */
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

GNU_H = """\
/* a sample of a header in GNU style */
#ifndef SAMPLE_H
#define SAMPLE_H

/* the next free buffer, or none while the window is full */
struct buffer *reliable_get_buf_output_sequenced (struct reliable *window);

void reliable_mark_active_outgoing (struct reliable *window, struct buffer *slot, int kind);

#endif
"""

ALLMAN_H = """\
/* a sample of a header in Allman style */
#ifndef SAMPLE_H
#define SAMPLE_H

/**
 * The next free buffer, or none while the window is full.
 */
struct buffer *reliable_get_buf_output_sequenced(struct reliable *window);

void reliable_mark_active_outgoing(struct reliable *window, struct buffer *slot, int kind);

#endif
"""

GNU_SSL = """\
/* a sample of callers to 2.2, with tabs: all of them stand in one function */
static bool
tls_process (struct session *session, struct key *key)
{
  struct buffer *slot;
  bool again = false;

  if (key->state == FRESH)
    {
      slot = reliable_get_buf_output_sequenced (key->window);
      if (slot)
        {
          reliable_mark_active_outgoing (key->window, slot, OPENING);
          again = true;
        }
    }

  if (key->state >= STARTED)
    {
      slot = reliable_get_buf_output_sequenced (key->window);
      if (slot)
        {
          int got = key_state_read_ciphertext (key, slot, ROOM);
          if (got < 0)
            {
              goto failed;
            }
          again = got > 0;
        }
    }
  return again;

failed:
  msg (D_LOW, "nothing could be read");
  return false;
}

void
unrelated (struct key *key)
{
  key->state = FRESH;
}
""".replace(" " * 8, "\t")

ALLMAN_SSL_25 = """\
/* a sample of callers to 2.5: all of them stand in one function */
static bool
tls_process(struct session *session, struct key *key)
{
    struct buffer *slot;
    bool again = false;

    if (key->state == FRESH)
    {
        slot = reliable_get_buf_output_sequenced(key->window);
        if (slot)
        {
            reliable_mark_active_outgoing(key->window, slot, OPENING);
            again = true;
        }
    }

    /* what is ready goes out */
    if (key->state >= STARTED)
    {
        slot = reliable_get_buf_output_sequenced(key->window);
        if (slot)
        {
            int got = key_state_read_ciphertext(key, slot, ROOM);
            if (got < 0)
            {
                goto failed;
            }
            again = got > 0;
        }
    }
    return again;

failed:
    msg(D_LOW, "nothing could be read");
    return false;
}
"""

_CALLERS_26 = """\
/* a sample of callers since 2.6: each stands in a function of its own */
static bool
session_move_pre_start(struct key *key)
{
    struct buffer *slot = reliable_get_buf_output_sequenced(key->window);
    if (!slot)
    {
        return false;
    }
    reliable_mark_active_outgoing(key->window, slot, OPENING);
    return true;
}

static bool
write_outgoing_tls_ciphertext(struct session *session, struct key *key, int pieces)
{
    while (pieces-- > 0)
    {
        struct buffer *slot = reliable_get_buf_output_sequenced(key->window);
        /* there was room a moment ago */
        check(slot != NULL);
        reliable_mark_active_outgoing(key->window, slot, P_CONTROL_V1);
    }
    return true;
}

"""

ALLMAN_SSL_26 = (
    _CALLERS_26
    + """\
static bool
tls_process_state(struct session *session, struct key *key)
{
    struct buffer *slot = NULL;
    bool again = key->state == FRESH && session_move_pre_start(key);

    if (key->state >= STARTED)
    {
        slot = reliable_get_buf_output_sequenced(key->window);
        if (slot)
        {
            again = write_outgoing_tls_ciphertext(session, key, 2);
        }
    }
    return again;
}
"""
)

ALLMAN_SSL_27 = (
    _CALLERS_26
    + """\
static bool
check_outgoing_ciphertext(struct session *session, struct key *key)
{
    if (key->state >= STARTED)
    {
        struct buffer *slot = reliable_get_buf_output_sequenced(key->window);
        if (slot)
        {
            if (!write_outgoing_tls_ciphertext(session, key, 2))
            {
                return false;
            }
        }
    }
    return true;
}

static bool
tls_process(struct session *session, struct key *key)
{
    if (key->state == FRESH)
    {
        return session_move_pre_start(key);
    }
    if (key->late)
    {
        struct buffer *slot = reliable_get_buf_output_sequenced(key->window);
        if (!slot)
        {
            return false;
        }
        reliable_mark_active_outgoing(key->window, slot, LATE);
    }
    return check_outgoing_ciphertext(session, key);
}
"""
)

SHAPES: Mapping[str, Mapping[str, str]] = {
    "gnu-2.1": {"reliable.c": GNU, "reliable.h": GNU_H, "ssl.c": GNU_SSL},
    "allman-2.5": {"reliable.c": ALLMAN, "reliable.h": ALLMAN_H, "ssl.c": ALLMAN_SSL_25},
    "allman-2.6": {"reliable.c": ALLMAN, "reliable.h": ALLMAN_H, "ssl.c": ALLMAN_SSL_26},
    "allman-2.7": {"reliable.c": ALLMAN, "reliable.h": ALLMAN_H, "ssl.c": ALLMAN_SSL_27},
}
"""The three files that variants change, as upstream's series have shaped them."""

DECLARATIONS = """\
#include <stdbool.h>
#include <stddef.h>
enum { D_LOW, P_CONTROL_V1, OPENING, LATE, FRESH, STARTED, ROOM };
typedef unsigned packet_id_type;
struct arena { int used; };
struct buffer { int length; };
struct reliable_entry { bool active; packet_id_type packet_id; struct buffer buf; };
struct reliable { int size; packet_id_type packet_id; struct reliable_entry array[6]; };
struct key { int state; bool late; struct reliable *window; };
struct session;
bool room_in_window (struct reliable *);
struct buffer *next_free (struct reliable *);
const char *ids_of ();
struct arena arena_new (void);
void arena_free (struct arena *);
void check (bool);
void reliable_schedule_now (struct reliable *);
int key_state_read_ciphertext (struct key *, struct buffer *, int);
void dmsg (int, const char *, ...) __attribute__ ((format (printf, 2, 3)));
void msg (int, const char *, ...) __attribute__ ((format (printf, 2, 3)));
"""
"""What a compiler must have read before it can check one of the samples."""


def tree(reliable_c: str | bytes, path: str = "src/openvpn/reliable.c") -> SourceTree:
    """A tree that holds just this reliable.c."""
    data = reliable_c.encode() if isinstance(reliable_c, str) else reliable_c
    return tree_of({path: data})


def tree_of(files: Mapping[str, bytes]) -> SourceTree:
    """A tree that holds just these files, given by path, and what every source has."""
    origin = Origin(kind="directory", name="sample", verified=False, epoch=0)
    return SourceTree(origin, {path: Entry.of(data) for path, data in {**files, "configure.ac": b""}.items()})

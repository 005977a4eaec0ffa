#ifndef ENDPOINT_H
#define ENDPOINT_H

#include "upstream.h"

#include "around.h"
#include "link.h"

enum { IDS = 512 };

/* What really happened to each id, kept apart from upstream's own books. */
struct truth
{
    int made;                      /* ids 0 to made - 1 were handed to reliable.c */
    int delivered;                 /* ids 0 to delivered - 1 came out at this side, in order */
    bool acked[IDS];               /* an ACK for it has arrived here */
    bool arrived[IDS];             /* the peer's packet of this id has arrived here */
    int64_t last[IDS];             /* when it was sent, ms; 0: not yet */
};

struct counts
{
    int data;   /* control packets sent */
    int acks;   /* packets sent that are nothing but ACKs */
    int gap;    /* the longest time between two copies of a packet, ms */
    int passes; /* of tls_process */
    int stale;  /* packets whose bytes had changed before they were written */
};

/* One end of a session: what struct key_state and struct context hold of it. */
struct endpoint
{
    int side;
    struct reliable *send, *rec;
    struct reliable_ack ack, mru;
    struct session_id local, remote;
    struct interval tmp_int;
    struct buffer ack_write_buf, to_link;
    uint32_t to_link_sum;
    int to_link_id;
    int due; /* how many ACKs of to_link were asked for, not repeated */
    int64_t writable; /* the socket takes to_link from then on, ms */
    int64_t wake;     /* when it wants to run again, ms */
    int64_t random_until;
    int random_ms;
    enum { S_INITIAL, S_PRE_START, S_START } state;
    bool started, burst;
    struct truth truth;
    struct counts counts;
};

/* What is run: each flight waits for all that the other side sent before it, as TLS does. */
struct dialogue
{
    int flights[16];
    int n;
    bool at_once; /* nobody waits */
    bool strict;  /* the peer is real: what arrives must be what it made */
    int busy;     /* how long a socket may refuse to write, ms */
};

extern struct dialogue dialogue;

void endpoint_start(struct endpoint *e, int side);
void endpoint_end(struct endpoint *e);
/* A packet has come in: tls_pre_decrypt. */
void endpoint_read(struct endpoint *e, const uint8_t *data, int len);
/* Run until there is nothing to do but wait; sets wake. */
void endpoint_run(struct endpoint *e);
/* All that this side has to send was acknowledged, and all of its peer's came out here. */
bool endpoint_finished(const struct endpoint *e);
/* How many ids this side will need in all, the first reset included. */
int endpoint_needed(int side);

/* What must hold at any time (books.c). */
void endpoint_check(const struct endpoint *e);
void check_wire(const struct endpoint *e, const uint8_t *data, int len);

void event(char what, int side, int id, int64_t more);

#endif

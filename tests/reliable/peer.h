#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stdint.h>

/* Servers that follow no rules; they acknowledge the first reset, so that the client goes on. */
enum peer_kind
{
    PEER_REAL,    /* reliable.c itself */
    PEER_SILENT,  /* never again acknowledges anything */
    PEER_TWICE,   /* each ACK four times, in two packets */
    PEER_FUTURE,  /* ACKs for what was never sent, and every other time the right one */
    PEER_REVERSE, /* ACKs a window at a time, the last id first */
    PEER_FLOOD,   /* ACKs, control packets and rubbish, one each ms for two seconds; never a right ACK */
    PEER_KINDS
};

void peer_start(int kind);
/* Whether a client has to get all its packets acknowledged by this one. */
bool peer_completes(int kind);
void peer_read(const uint8_t *data, int len);
/* When it wants to run next, ms; INT64_MAX for never. */
int64_t peer_next(void);
void peer_run(void);
/* How many packets it has sent. */
int peer_sent(void);

#endif

#ifndef LINK_H
#define LINK_H

#include <stdint.h>

enum { PACKET_MAX = 600 };

/* How often a packet is lost or doubled is in thousandths, times are in ms. */
struct link_rules
{
    uint64_t seed;
    int loss[2];  /* for packets that side 0, or 1, sends */
    int dup;
    int delay;
    int jitter;
    int64_t heals; /* from then on, ms after the start, nothing is lost or doubled */
    const int *fates; /* the first packets: FATE_LOST, or a delay, twice where FATE_TWICE is added */
    int n_fates;
};

enum { FATE_LOST = -1, FATE_TWICE = 1000000 };

struct packet
{
    int64_t at;
    uint64_t order; /* among those of one ms */
    int to;
    int len;
    uint8_t data[PACKET_MAX];
};

void link_start(const struct link_rules *rules, int64_t now_ms);
/* Returns how many copies will arrive; 0 is lost. */
int link_send(int from, const uint8_t *data, int len, int64_t now_ms);
/* Past all rules, at a time given: what a peer that follows none does. */
void link_put(int to, const uint8_t *data, int len, int64_t at);
/* When the next packet arrives; INT64_MAX where none is under way. */
int64_t link_next(void);
struct packet *link_take(void);
int link_dropped(void);
uint32_t link_random(void);

#endif

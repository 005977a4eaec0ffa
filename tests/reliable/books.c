/* What must hold at any time, from the books of the driver, not upstream's. */
#include "endpoint.h"

/* The active entries are the ids that were made and not acknowledged, each once, all inside the window. */
void
endpoint_check(const struct endpoint *e)
{
    const struct truth *t = &e->truth;
    int lowest = 0, open = 0, active = 0, i;
    while (lowest < t->made && t->acked[lowest])
    {
        lowest++;
    }
    if (t->made - lowest > N_SEND)
    {
        violated("side %d: the window is exceeded: id %d is open, id %d was made", e->side, lowest, t->made - 1);
    }
    for (i = lowest; i < t->made; i++)
    {
        open += !t->acked[i];
    }
    if (e->send->size != N_SEND || e->rec->size != N_REC)
    {
        violated("side %d: sizes %d and %d", e->side, e->send->size, e->rec->size);
    }
    for (i = 0; i < e->send->size; i++)
    {
        const struct reliable_entry *entry = &e->send->array[i];
        if (entry->active)
        {
            active++;
            if (entry->packet_id >= (packet_id_type)t->made || t->acked[entry->packet_id])
            {
                violated("side %d: id %u is active, and was acknowledged", e->side, (unsigned)entry->packet_id);
            }
        }
    }
    if (active != open)
    {
        violated("side %d: %d ids are open, and %d entries active", e->side, open, active);
    }
    if (e->ack.len < 0 || e->ack.len > RELIABLE_ACK_SIZE || e->mru.len < 0 || e->mru.len > RELIABLE_ACK_SIZE)
    {
        violated("side %d: %d and %d ACKs wait", e->side, e->ack.len, e->mru.len);
    }
}

/* The packet as it goes out: only what has arrived is acknowledged, no id twice, and no more than peers take. */
void
check_wire(const struct endpoint *e, const uint8_t *data, int len)
{
    int n = data[1 + SID_SIZE], i, j;
    int most = data[0] >> 3 == OP_ACK ? RELIABLE_ACK_SIZE : ACK_MAX_WITH_DATA;
    uint32_t ids[RELIABLE_ACK_SIZE];
    if (n > most || len < 2 + SID_SIZE + 4 * n + (n ? SID_SIZE : 0))
    {
        violated("side %d: %d ACKs in a packet of %d bytes", e->side, n, len);
    }
    for (i = 0; i < n; i++)
    {
        memcpy(&ids[i], data + 2 + SID_SIZE + 4 * i, 4);
        ids[i] = ntohl(ids[i]);
        for (j = 0; j < i; j++)
        {
            if (ids[j] == ids[i])
            {
                violated("side %d: an ACK for id %u twice in a packet", e->side, ids[i]);
            }
        }
        if (ids[i] < IDS)
        {
            if (!e->truth.arrived[ids[i]])
            {
                violated("side %d: an ACK for id %u, which has not arrived", e->side, ids[i]);
            }
        }
    }
#ifndef MODERN
    /* Upstream repeats no ACKs here: a variant that does must stay below what other implementations take. */
    if (n > e->due && n > 4)
    {
        violated("side %d: %d ACKs in a packet, %d of them repeated", e->side, n, n - e->due);
    }
#endif
}

/* A server that misbehaves; it writes its packets byte by byte, and knows nothing of upstream. */
#include "peer.h"

#include <arpa/inet.h>
#include <string.h>

#include "around.h"
#include "link.h"

enum { SID = 8, ACK = 5, CONTROL = 4, RESET = 8, WINDOW = 16, FLOOD_MS = 2000, PATIENCE_MS = 300 };

static enum peer_kind kind;
static uint8_t theirs[SID];
static const uint8_t ours[SID] = { 9, 9, 9, 9, 9, 9, 9, 9 };
static uint32_t held[WINDOW];
static int n_held;
static int64_t next;
static int64_t flood_ends;
static int sent;
static uint32_t highest;

void
peer_start(int given)
{
    kind = (enum peer_kind)given;
    n_held = sent = 0;
    next = INT64_MAX;
    flood_ends = 0;
    highest = 0;
}

bool
peer_completes(int given)
{
    return given != PEER_SILENT && given != PEER_FLOOD;
}

int64_t
peer_next(void)
{
    return next;
}

int
peer_sent(void)
{
    return sent;
}

static void
put(const uint8_t *data, int len)
{
    sent++;
    link_put(0, data, len, clock_ms + 1 + link_random() % 3);
}

/* A packet with these ACKs; with an id, one that is to be acknowledged. */
static void
packet(int opcode, const uint32_t *acks, int n, const uint32_t *id)
{
    uint8_t data[PACKET_MAX];
    int len = 0, i;
    data[len++] = (uint8_t)(opcode << 3);
    memcpy(data + len, ours, SID);
    len += SID;
    data[len++] = (uint8_t)n;
    for (i = 0; i < n; i++, len += 4)
    {
        uint32_t net = htonl(acks[i]);
        memcpy(data + len, &net, 4);
    }
    if (n)
    {
        memcpy(data + len, theirs, SID);
        len += SID;
    }
    if (id)
    {
        uint32_t net = htonl(*id);
        memcpy(data + len, &net, 4);
        len += 4;
    }
    put(data, len);
}

static void
future(uint32_t id)
{
    uint32_t acks[8] = { highest + 1, highest + 2, highest + 7, 0x7fffffff, 0x80000000, 0xffffffff, highest + 0x80000001 };
    if (link_random() % 2)
    {
        acks[7] = id;
        packet(ACK, acks, 8, NULL);
        return;
    }
    packet(ACK, acks, 1 + (int)(link_random() % 7), NULL);
}

static void
reverse(void)
{
    uint32_t last_first[WINDOW];
    int i, j;
    for (i = 0; i < n_held; i++)
    {
        for (j = i; j > 0 && last_first[j - 1] < held[i]; j--)
        {
            last_first[j] = last_first[j - 1];
        }
        last_first[j] = held[i];
    }
    for (i = 0; i < n_held; i++)
    {
        packet(ACK, &last_first[i], 1, NULL);
    }
    n_held = 0;
    next = INT64_MAX;
}

void
peer_read(const uint8_t *data, int len)
{
    int n = len > 1 + SID ? data[1 + SID] : 0, at = 2 + SID + 4 * n + (n ? SID : 0);
    uint32_t id, zero = 0;
    memcpy(theirs, data + 1, SID);
    if (data[0] >> 3 == ACK || len < at + 4)
    {
        return;
    }
    memcpy(&id, data + at, 4);
    id = ntohl(id);
    highest = id > highest ? id : highest;
    if (id == 0)
    {
        packet(RESET, &id, 1, &zero);
        if (kind == PEER_FLOOD && !flood_ends)
        {
            next = clock_ms + 10;
            flood_ends = clock_ms + FLOOD_MS;
        }
        return;
    }
    switch (kind)
    {
        case PEER_TWICE:
            {
                uint32_t both[2] = { id, id };
                packet(ACK, both, 2, NULL);
                packet(ACK, both, 2, NULL);
            }
            break;

        case PEER_FUTURE:
            future(id);
            break;

        case PEER_REVERSE:
            if (n_held < WINDOW)
            {
                held[n_held++] = id;
                next = clock_ms + PATIENCE_MS;
            }
            break;

        default:
            break;
    }
}

static void
rubbish(void)
{
    uint8_t data[64];
    int len = 1 + (int)(link_random() % sizeof(data)), i;
    for (i = 0; i < len; i++)
    {
        data[i] = (uint8_t)link_random();
    }
    data[0] = (uint8_t)(ACK - (link_random() & 1)) << 3;
    if (len > SID)
    {
        memcpy(data + 1, ours, SID);
    }
    put(data, len);
}

void
peer_run(void)
{
    uint32_t acks[8], id = link_random() % 16;
    int i, n = (int)(link_random() % 9);
    if (kind == PEER_REVERSE)
    {
        reverse();
        return;
    }
    for (i = 0; i < 8; i++)
    {
        /* none that is open: those lie within a window of the highest that has come */
        acks[i] = highest + 16 + (link_random() % 2 ? link_random() % 8 : link_random() % 0x70000000);
    }
    switch (link_random() % 4)
    {
        case 0:
            rubbish();
            break;

        case 1:
            id = link_random() % 2 ? id : link_random();
            packet(CONTROL, acks, n, &id);
            break;

        default:
            packet(ACK, acks, n, NULL);
            break;
    }
    next = clock_ms < flood_ends ? clock_ms + 1 : INT64_MAX;
}

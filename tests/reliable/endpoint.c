/*
 * One side, as tls_process, tls_multi_process, tls_pre_decrypt and the event loop of forward.c drive reliable.c: the
 * same calls in the same order, with upstream's own timers (interval.h), without TLS, sockets or encryption.
 */
#include "endpoint.h"

enum
{
    HEADROOM = 128,
    BUFFER = 512,
    TLS_TIMEOUT = 2, /* --tls-timeout, s */
    HAND_WINDOW = 60 /* s */
};

struct dialogue dialogue;

void
endpoint_start(struct endpoint *e, int side)
{
    memset(e, 0, sizeof(*e));
    e->side = side;
    e->send = calloc(1, sizeof(*e->send));
    e->rec = calloc(1, sizeof(*e->rec));
    reliable_init(e->send, BUFFER, HEADROOM, N_SEND, false);
    reliable_init(e->rec, BUFFER, HEADROOM, N_REC, false);
    reliable_set_timeout(e->send, TLS_TIMEOUT);
#ifdef ANSWERS
    e->send->answer = side;
#endif
#ifdef ANSWERS_ECHO
    e->ack.answer = side;
#endif
    interval_init(&e->tmp_int, HORIZON, REFRESH);
    e->ack_write_buf = alloc_buf(BUFFER);
    memset(e->local.id, 0x11 * (side + 1), SID_SIZE);
    e->wake = INT64_MAX;
}

static void
release(struct reliable *rel)
{
    reliable_free(rel);
#ifndef FREE_FREES
    free(rel);
#endif
}

void
endpoint_end(struct endpoint *e)
{
    release(e->send);
    release(e->rec);
    free_buf(&e->ack_write_buf);
}

/* How many ids this side may have made by now. */
static int
unlocked(const struct endpoint *e)
{
    int mine = 1, theirs = 1, i; /* the resets */
    for (i = 0; i < dialogue.n; i++)
    {
        if (i % 2 != e->side)
        {
            theirs += dialogue.flights[i];
        }
        else if (dialogue.at_once || e->truth.delivered >= theirs)
        {
            mine += dialogue.flights[i];
        }
    }
    return mine;
}

int
endpoint_needed(int side)
{
    int all = 1, i;
    for (i = side; i < dialogue.n; i += 2)
    {
        all += dialogue.flights[i];
    }
    return all;
}

bool
endpoint_finished(const struct endpoint *e)
{
    return e->truth.made == endpoint_needed(e->side) && reliable_empty(e->send)
           && (!dialogue.strict || e->truth.delivered == endpoint_needed(!e->side));
}

static int
payload_len(int side, int id)
{
    return id ? 1 + (id * 37 + side * 11) % 100 : 0; /* the reset is empty */
}

static uint8_t
payload_byte(int side, int id, int at)
{
    return (uint8_t)(id * 31 + side * 101 + at * 7 + 1);
}

static void
made(struct endpoint *e, struct buffer *buf, int opcode)
{
    int id = e->truth.made++, i;
    if (e->send->packet_id != (packet_id_type)id)
    {
        violated("side %d: the next id is %u, and %d were used", e->side, (unsigned)e->send->packet_id, id);
    }
    for (i = 0; i < payload_len(e->side, id); i++)
    {
        ASSERT(buf_write_u8(buf, payload_byte(e->side, id, i)));
    }
    reliable_mark_active_outgoing(e->send, buf, opcode);
    event('m', e->side, id, 0);
    endpoint_check(e);
}

static struct buffer *
next_buffer(struct endpoint *e)
{
#ifdef RESEND_LOWEST
    return reliable_get_buf_output_sequenced(e->send, NULL);
#else
    return reliable_get_buf_output_sequenced(e->send);
#endif
}

/* Upstream asks for a buffer before it asks TLS whether anything waits: a full window is met in every pass. */
static bool
outgoing(struct endpoint *e)
{
    bool change = false;
    struct buffer *buf;
#ifdef RESEND_LOWEST
    bool resend_lowest = false;
    buf = reliable_get_buf_output_sequenced(e->send, &resend_lowest);
    if (buf && resend_lowest)
    {
        reliable_mark_active_outgoing(e->send, buf, OP_CONTROL);
        return false;
    }
#else
    buf = next_buffer(e);
#endif
#ifdef HOLDS_BACK
    if (e->to_link.len)
    {
        buf = NULL;
    }
#endif
    if (!buf)
    {
        return false;
    }
#ifdef NUM_AVAILABLE
    while (reliable_get_num_output_sequenced_available(e->send) > 0 && e->truth.made < unlocked(e))
    {
        buf = next_buffer(e);
        ASSERT(buf);
        made(e, buf, OP_CONTROL);
        change = true;
    }
#else
    if (e->truth.made < unlocked(e))
    {
        made(e, buf, OP_CONTROL);
        change = true;
    }
#endif
    return change;
}

static uint32_t
sum(const struct buffer *buf)
{
    uint32_t hash = 2166136261u;
    int i;
    for (i = 0; i < buf->len; i++)
    {
        hash = (hash ^ buf->data[buf->offset + i]) * 16777619u;
    }
    return hash;
}

/* write_control_auth. */
static void
write_control(struct endpoint *e, struct buffer *buf, int opcode, int max_ack, bool prepend, int id)
{
    uint8_t *header;
    e->due = e->ack.len < max_ack ? e->ack.len : max_ack;
#ifdef ACK_MRU
    ASSERT(reliable_ack_write(&e->ack, &e->mru, buf, &e->remote, max_ack, prepend));
#else
    ASSERT(reliable_ack_write(&e->ack, buf, &e->remote, max_ack, prepend));
#endif
    ASSERT(session_id_write_prepend(&e->local, buf));
    header = buf_prepend(buf, 1);
    ASSERT(header);
    *header = (uint8_t)(opcode << 3);
    e->to_link = *buf;
    e->to_link_sum = sum(buf);
    e->to_link_id = id;
    e->writable = clock_ms + (dialogue.busy ? (int)(link_random() % (uint32_t)(dialogue.busy + 1)) : 0);
}

/* The id that the packet has on the wire: behind its opcode, session id and ACKs. */
static packet_id_type
id_in(const struct buffer *buf)
{
    packet_id_type net;
    ASSERT(buf->len >= (int)sizeof(net));
    memcpy(&net, buf->data + buf->offset, sizeof(net));
    return ntohl(net);
}

static void
send_control(struct endpoint *e)
{
    int opcode = -1, id;
    struct buffer *buf = reliable_send(e->send, &opcode);
    struct buffer b;
    struct truth *t = &e->truth;
    if (!buf)
    {
        violated("side %d: reliable_can_send, and reliable_send has nothing", e->side);
    }
    b = *buf;
    id = (int)id_in(&b);
    if (id < 0 || id >= t->made || t->acked[id])
    {
        violated("side %d: sends id %d, of %d, acknowledged: %d", e->side, id, t->made, id >= 0 && id < t->made);
    }
    if (b.len != (int)sizeof(packet_id_type) + payload_len(e->side, id))
    {
        violated("side %d: sends id %d with %d bytes", e->side, id, b.len);
    }
    if (t->last[id] && clock_ms - t->last[id] > e->counts.gap)
    {
        e->counts.gap = (int)(clock_ms - t->last[id]);
    }
    t->last[id] = clock_ms;
    e->counts.data++;
    write_control(e, &b, opcode, ACK_MAX_WITH_DATA, true, id);
}

/* read_incoming_tls_ciphertext. */
static void
deliver(struct endpoint *e, struct buffer *buf, unsigned id)
{
    int i, len = payload_len(!e->side, (int)id);
    if (dialogue.strict)
    {
        if (id != (unsigned)e->truth.delivered || !e->truth.arrived[id])
        {
            violated("side %d: id %u comes out where %d is next", e->side, id, e->truth.delivered);
        }
        if (buf->len != len)
        {
            violated("side %d: id %u comes out with %d bytes, not %d", e->side, id, buf->len, len);
        }
        for (i = 0; i < len; i++)
        {
            if (buf->data[buf->offset + i] != payload_byte(!e->side, (int)id, i))
            {
                violated("side %d: id %u comes out with another byte %d", e->side, id, i);
            }
        }
    }
    event('d', e->side, (int)id, 0);
    e->truth.delivered++;
#ifdef DELETED_INC_PID
    reliable_mark_deleted(e->rec, buf, true);
#else
    reliable_mark_deleted(e->rec, buf);
#endif
}

static bool
incoming(struct endpoint *e)
{
    unsigned id = e->rec->packet_id;
#ifdef ENTRY_SEQUENCED
    struct reliable_entry *entry = reliable_get_entry_sequenced(e->rec);
    struct buffer *buf = entry ? &entry->buf : NULL;
#else
    struct buffer *buf = reliable_get_buf_sequenced(e->rec);
#endif
    if (!buf)
    {
        return false;
    }
    deliver(e, buf, id);
    return true;
}

/* The loop of tls_process. */
static bool
states(struct endpoint *e)
{
    bool change = false;
    if (e->state == S_INITIAL)
    {
        struct buffer *buf = next_buffer(e);
        ASSERT(buf);
        made(e, buf, e->side ? OP_RESET_SERVER : OP_RESET_CLIENT);
        e->state = S_PRE_START;
        change = true;
    }
    if (e->state == S_PRE_START && reliable_empty(e->send)
#ifndef MODERN
        && reliable_ack_empty(&e->ack)
#endif
    )
    {
        e->state = S_START;
        change = true;
    }
    if (!e->to_link.len && reliable_can_send(e->send))
    {
        send_control(e);
        return false;
    }
    change |= incoming(e);
    if (e->state == S_START)
    {
        change |= outgoing(e);
    }
    return change;
}

static void
compute_earliest(interval_t *earliest, interval_t seconds)
{
    if (seconds < *earliest)
    {
        *earliest = seconds > 0 ? seconds : 0;
    }
}

/* tls_process; returns whether it was active. */
static bool
process(struct endpoint *e, interval_t *wakeup)
{
    int rounds = 0;
    do
    {
        update_time();
        if (++rounds > 100)
        {
            violated("side %d: tls_process does not come to an end", e->side);
        }
    }
    while (states(e));
    e->counts.passes++;
    update_time();
    if (!e->to_link.len && !reliable_ack_empty(&e->ack))
    {
        struct buffer buf = e->ack_write_buf;
        ASSERT(buf_init(&buf, HEADROOM));
        write_control(e, &buf, OP_ACK, ACK_MAX_ALONE, false, -1);
        e->counts.acks++;
    }
    compute_earliest(wakeup, reliable_send_timeout(e->send));
    if (e->state == S_PRE_START)
    {
        compute_earliest(wakeup, HAND_WINDOW);
    }
    if (*wakeup <= 0)
    {
        *wakeup = 1;
        return true;
    }
    return e->to_link.len > 0;
}

static void
written(struct endpoint *e)
{
    int len = e->to_link.len, copies;
    uint8_t wire[PACKET_MAX];
    ASSERT(len <= PACKET_MAX);
    if (sum(&e->to_link) != e->to_link_sum)
    {
        e->counts.stale++;
        if (!dialogue.busy)
        {
            violated("side %d: id %d changed before it was written", e->side, e->to_link_id);
        }
    }
    memcpy(wire, e->to_link.data + e->to_link.offset, (size_t)len);
    check_wire(e, wire, len);
    copies = link_send(e->side, wire, len, clock_ms);
    event(e->to_link_id < 0 ? 'a' : 's', e->side, e->to_link_id, copies);
    e->to_link.len = 0;
}

/* The part of tls_pre_decrypt behind authentication; the packet's first byte and session id are read before. */
void
endpoint_read(struct endpoint *e, const uint8_t *data, int len)
{
    struct reliable_ack acks;
    struct buffer buf = alloc_buf(PACKET_MAX);
    uint8_t opcode;
    packet_id_type id;
    int i;
    ASSERT(buf_write(&buf, data, len));
    memset(&acks, 0, sizeof(acks));
    if (!buf_read(&buf, &opcode, 1) || !session_id_read(&e->remote, &buf))
    {
        goto done;
    }
    opcode >>= 3;
    e->started = true;
    if (opcode == OP_RESET_SERVER && !e->burst)
    {
        reliable_schedule_now(e->send);
        e->burst = true;
    }
    if (!reliable_ack_read(&acks, &buf, &e->local))
    {
        goto done;
    }
    for (i = 0; i < acks.len; i++)
    {
        if (acks.packet_id[i] < (packet_id_type)e->truth.made)
        {
            e->truth.acked[acks.packet_id[i]] = true;
        }
    }
    reliable_send_purge(e->send, &acks);
    endpoint_check(e);
    if (opcode != OP_ACK && reliable_can_get(e->rec) && reliable_ack_read_packet_id(&buf, &id)
        && reliable_wont_break_sequentiality(e->rec, id))
    {
        if (id < IDS)
        {
            e->truth.arrived[id] = true;
        }
        if (reliable_not_replay(e->rec, id))
        {
            struct buffer *in = reliable_get_buf(e->rec);
            ASSERT(in);
            ASSERT(buf_copy(in, &buf));
            reliable_mark_active_incoming(e->rec, in, id, opcode);
        }
#ifdef REPEATED
        else
        {
            reliable_repeated(e->send, id);
        }
#endif
#ifdef ANSWERS
#ifdef ANSWERS_ECHO
        e->ack.answer =
#endif
        reliable_asked(e->send, id);
#endif
        reliable_ack_acknowledge_packet_id(&e->ack, id);
    }
    interval_action(&e->tmp_int);
done:
    free_buf(&buf);
}

/* The rest of check_tls, and check_timeout_random_component: up to 262 ms more, drawn every 10 s, where a second or
 * more is waited. */
static int64_t
wait_ms(struct endpoint *e, interval_t wakeup)
{
    struct timeval tv = { wakeup > 0 ? wakeup : BIG_TIMEOUT, 0 };
#ifdef SEND_TIMEOUT_TV
    if (e->started && reliable_send_timeout_tv(e->send, &tv))
    {
        interval_action(&e->tmp_int);
    }
#endif
    if (clock_ms >= e->random_until)
    {
        e->random_until = clock_ms + 10000;
        e->random_ms = (int)(link_random() % 263);
    }
    return (int64_t)tv.tv_sec * 1000 + (tv.tv_usec + 999) / 1000 + (tv.tv_sec >= 1 ? e->random_ms : 0);
}

void
endpoint_run(struct endpoint *e)
{
    int rounds;
    for (rounds = 0;; rounds++)
    {
        interval_t wakeup = BIG_TIMEOUT;
        if (rounds > (N_REC + 2) * (N_SEND + 1))
        {
            violated("side %d: %d packets at one moment and no end", e->side, rounds);
        }
        update_time();
        if (interval_test(&e->tmp_int))
        {
            if (process(e, &wakeup))
            {
                update_time();
                interval_action(&e->tmp_int);
            }
            interval_future_trigger(&e->tmp_int, wakeup);
        }
        interval_schedule_wakeup(&e->tmp_int, &wakeup);
        endpoint_check(e);
        if (!e->to_link.len)
        {
            e->wake = clock_ms + wait_ms(e, wakeup);
            return;
        }
        if (e->writable > clock_ms)
        {
            e->wake = e->writable;
            return;
        }
        written(e);
    }
}

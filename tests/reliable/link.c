/* A link between two sides: what becomes of a packet is in its rules, and the same every time. */
#include "link.h"

#include <string.h>

enum { QUEUE = 256 }; /* more are dropped, as any router does */

static struct link_rules rules;
static struct packet pool[QUEUE];
static int order[QUEUE]; /* a heap of places in the pool; behind its end, the free places */
static int under_way;
static int dropped;
static int sent;
static uint64_t next_order;
static uint64_t state;
static int64_t started;

/* splitmix64 */
uint32_t
link_random(void)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) >> 32);
}

void
link_start(const struct link_rules *given, int64_t now_ms)
{
    int i;
    rules = *given;
    state = given->seed;
    under_way = dropped = sent = 0;
    next_order = 0;
    started = now_ms;
    for (i = 0; i < QUEUE; i++)
    {
        order[i] = i;
    }
}

static int
before(int a, int b)
{
    const struct packet *x = &pool[order[a]], *y = &pool[order[b]];
    return x->at < y->at || (x->at == y->at && x->order < y->order);
}

static void
swap(int a, int b)
{
    int was = order[a];
    order[a] = order[b];
    order[b] = was;
}

void
link_put(int to, const uint8_t *data, int len, int64_t at)
{
    int i = under_way;
    struct packet *p;
    if (under_way == QUEUE)
    {
        dropped++;
        return;
    }
    under_way++;
    p = &pool[order[i]];
    p->at = at;
    p->order = next_order++;
    p->to = to;
    p->len = len;
    memcpy(p->data, data, (size_t)len);
    for (; i > 0 && before(i, (i - 1) / 2); i = (i - 1) / 2)
    {
        swap(i, (i - 1) / 2);
    }
}

static int64_t
way(void)
{
    return rules.delay + (rules.jitter ? (int)(link_random() % (uint32_t)(rules.jitter + 1)) : 0);
}

static int
happens(int thousandths)
{
    return (int)(link_random() % 1000) < thousandths;
}

int
link_send(int from, const uint8_t *data, int len, int64_t now_ms)
{
    int healed = now_ms - started >= rules.heals;
    int number = sent++;
    if (!healed && number < rules.n_fates)
    {
        int fate = rules.fates[number];
        if (fate == FATE_LOST)
        {
            return 0;
        }
        link_put(!from, data, len, now_ms + fate % FATE_TWICE);
        if (fate < FATE_TWICE)
        {
            return 1;
        }
        link_put(!from, data, len, now_ms + fate % FATE_TWICE + 1);
        return 2;
    }
    if (!healed && happens(rules.loss[from]))
    {
        return 0;
    }
    link_put(!from, data, len, now_ms + way());
    if (!healed && happens(rules.dup))
    {
        link_put(!from, data, len, now_ms + way());
        return 2;
    }
    return 1;
}

int64_t
link_next(void)
{
    return under_way ? pool[order[0]].at : INT64_MAX;
}

struct packet *
link_take(void)
{
    int i = 0, least;
    struct packet *p = &pool[order[0]];
    swap(0, --under_way);
    for (;; i = least)
    {
        int left = 2 * i + 1, right = left + 1;
        least = i;
        least = left < under_way && before(left, least) ? left : least;
        least = right < under_way && before(right, least) ? right : least;
        if (least == i)
        {
            return p; /* its place is free again, and not used before the next link_put */
        }
        swap(i, least);
    }
}

int
link_dropped(void)
{
    return dropped;
}

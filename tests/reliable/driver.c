/*
 * Runs that a line on stdin describes each, `key=value` with blanks between, all of them optional; the keys are in
 * the table below. One line of answer a run, `key=value` again. A run that breaks a rule is the last one: the
 * line, what was wrong and the last events go to stderr, and the exit code is 3.
 */
#include "endpoint.h"
#include "peer.h"

enum { FATES = 512, EVENTS = 4096, SHOWN = 60, LINE = 16384 };

static int fates[FATES];
static struct link_rules rules;
static char line[LINE];
static uint64_t seed;
static int64_t zero; /* when the run began, ms */

static struct
{
    int64_t seed, runs, loss, back, dup, delay, jitter, heals, limit, packets, at_once, busy, peer, verb, phase, give_up;
} given;

static const struct
{
    const char *name;
    int64_t *value;
    int64_t otherwise;
} keys[] = {
    { "seed", &given.seed, 1 },
    { "runs", &given.runs, 1 },         /* seed, seed + 1, ... */
    { "loss", &given.loss, 0 },         /* per thousand, from client to server; and back, where `back` is not given */
    { "back", &given.back, -1 },        /* per thousand, from server to client */
    { "dup", &given.dup, 0 },           /* per thousand */
    { "delay", &given.delay, 50 },      /* one way, ms */
    { "jitter", &given.jitter, 0 },     /* up to so much more, ms: packets overtake one another */
    { "heals", &given.heals, INT64_MAX }, /* nothing is lost or doubled from then on, ms */
    { "limit", &given.limit, 100000000 }, /* a run that has not ended by then breaks a rule, unless the peer does, ms */
    { "packets", &given.packets, 0 },   /* more control packets than that are a storm; 0: derived */
    { "at_once", &given.at_once, 0 },   /* flights do not wait for one another */
    { "busy", &given.busy, 0 },         /* up to so long a socket does not take a packet, ms */
    { "peer", &given.peer, 0 },         /* what the server is: see peer.h */
    { "verb", &given.verb, 0 },
    { "give_up", &given.give_up, 0 },   /* a run may end unfinished at the limit */
    { "phase", &given.phase, 0 },       /* of the second in which a run begins, ms */
};

static struct
{
    int64_t at;
    int id, more;
    char what, side;
} events[EVENTS];
static unsigned n_events;

void
event(char what, int side, int id, int64_t more)
{
    unsigned at = n_events++ % EVENTS;
    events[at].at = clock_ms - zero;
    events[at].what = what;
    events[at].side = (char)side;
    events[at].id = id;
    events[at].more = (int)more;
}

static void
show_events(void)
{
    static const char *const names = "smadr";
    static const char *const said[] = { "sends", "makes", "sends ACKs", "delivers", "reads" };
    unsigned i = n_events > SHOWN ? n_events - SHOWN : 0;
    for (; i < n_events; i++)
    {
        const char *what = strchr(names, events[i % EVENTS].what);
        fprintf(stderr, "%9.3f side %d %s", (double)events[i % EVENTS].at / 1000, events[i % EVENTS].side,
                said[what - names]);
        if (*what == 's' || *what == 'm' || *what == 'd')
        {
            fprintf(stderr, " id %d", events[i % EVENTS].id);
        }
        if (*what == 's' || *what == 'a')
        {
            fprintf(stderr, ", %d arrive", events[i % EVENTS].more);
        }
        fprintf(stderr, "\n");
    }
}

void
violated(const char *format, ...)
{
    va_list arguments;
    show_events();
    fprintf(stderr, "after %.3f s: ", (double)(clock_ms - zero) / 1000);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nrepeat: %s seed=%llu runs=1\n", line, (unsigned long long)seed);
    fflush(stderr);
    _exit(3);
}

static void
bad_line(const char *why)
{
    fprintf(stderr, "%s: %s\n", why, line);
    exit(2);
}

static int
numbers(char *text, int *out, int max)
{
    int n = 0;
    char *rest = NULL, *one;
    for (one = strtok_r(text, ",", &rest); one; one = strtok_r(NULL, ",", &rest))
    {
        if (n == max)
        {
            bad_line("too many numbers");
        }
        out[n++] = atoi(one);
    }
    return n;
}

static void
read_line(void)
{
    static char copy[LINE];
    char *rest = NULL, *word;
    size_t i;
    memset(&dialogue, 0, sizeof(dialogue));
    rules.n_fates = 0;
    for (i = 0; i < SIZE(keys); i++)
    {
        *keys[i].value = keys[i].otherwise;
    }
    strcpy(copy, line);
    for (word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
    {
        char *value = strchr(word, '=');
        if (!value)
        {
            bad_line("no value");
        }
        *value++ = 0;
        if (!strcmp(word, "flights"))
        {
            dialogue.n = numbers(value, dialogue.flights, SIZE(dialogue.flights));
            continue;
        }
        if (!strcmp(word, "fates"))
        {
            rules.n_fates = numbers(value, fates, FATES);
            continue;
        }
        for (i = 0; i < SIZE(keys) && strcmp(keys[i].name, word); i++)
        {
        }
        if (i == SIZE(keys))
        {
            bad_line(word);
        }
        *keys[i].value = atoll(value);
    }
    if (endpoint_needed(0) > IDS || endpoint_needed(1) > IDS)
    {
        bad_line("too many packets");
    }
}

static bool
finished(struct endpoint e[2])
{
    return endpoint_finished(&e[0]) && (given.peer || endpoint_finished(&e[1]));
}

/* Stock sends a packet again every 2, 4, 8 s, or once three later ones have been acknowledged; anything below this
 * is far from a storm, whatever is lost. */
static bool
storm(const struct endpoint e[2])
{
    int64_t most = 200 + 12 * (endpoint_needed(0) + endpoint_needed(1)) + 2 * N_SEND * (clock_ms - zero) / 1000;
    return e[0].counts.data + e[1].counts.data > (given.packets ? given.packets : most);
}

/* The next moment at which anything happens. */
static bool
step(struct endpoint e[2])
{
    int64_t next = link_next();
    int i;
    for (i = 0; i < 2; i++)
    {
        next = e[i].started && e[i].wake < next ? e[i].wake : next;
    }
    next = given.peer && peer_next() < next ? peer_next() : next;
    if (next < clock_ms || next == INT64_MAX)
    {
        violated("nothing is left to happen");
    }
    if (next - zero > given.limit)
    {
        return false;
    }
    clock_ms = next;
    update_time();
    if (link_next() <= clock_ms)
    {
        struct packet packet = *link_take();
        if (packet.to == 1 && given.peer)
        {
            peer_read(packet.data, packet.len);
            return true;
        }
        event('r', packet.to, 0, 0);
        endpoint_read(&e[packet.to], packet.data, packet.len);
        endpoint_run(&e[packet.to]);
        return true;
    }
    if (given.peer && peer_next() <= clock_ms)
    {
        peer_run();
        return true;
    }
    for (i = 0; i < 2; i++)
    {
        if (e[i].started && e[i].wake <= clock_ms)
        {
            endpoint_run(&e[i]);
        }
    }
    return true;
}

static void
run(void)
{
    static struct endpoint e[2];
    bool out_of_time = false;
    int i;
    rules.seed = seed;
    rules.loss[0] = (int)given.loss;
    rules.loss[1] = (int)(given.back < 0 ? given.loss : given.back);
    rules.dup = (int)given.dup;
    rules.delay = (int)given.delay;
    rules.jitter = (int)given.jitter;
    rules.heals = given.heals;
    rules.fates = fates;
    dialogue.at_once = given.at_once || given.peer;
    dialogue.strict = !given.peer;
    dialogue.busy = (int)given.busy;
    clock_ms += 1000000 - clock_ms % 1000 + given.phase % 1000;
    zero = clock_ms;
    n_events = 0;
    update_time();
    link_start(&rules, clock_ms);
    peer_start((int)given.peer);
    endpoint_start(&e[0], 0);
    endpoint_start(&e[1], 1);
    e[0].started = true;
    endpoint_run(&e[0]);
    while (!finished(e) && !out_of_time && !storm(e))
    {
        out_of_time = !step(e);
    }
    if (out_of_time && !given.give_up && peer_completes((int)given.peer))
    {
        violated("not finished: of %d and %d ids %d and %d came out", endpoint_needed(0), endpoint_needed(1),
                 e[1].truth.delivered, e[0].truth.delivered);
    }
    printf("finished=%d storm=%d ms=%lld needed=%d data=%d acks=%d gap=%d passes=%d stale=%d dropped=%d peer=%d lines=%d end\n",
           finished(e), storm(e), (long long)(clock_ms - zero),
           endpoint_needed(0) + (given.peer ? 0 : endpoint_needed(1)), e[0].counts.data + e[1].counts.data,
           e[0].counts.acks + e[1].counts.acks,
           e[0].counts.gap > e[1].counts.gap ? e[0].counts.gap : e[1].counts.gap, e[0].counts.passes + e[1].counts.passes,
           e[0].counts.stale + e[1].counts.stale, link_dropped(), peer_sent(), formatted);
    for (i = 0; i < 2; i++)
    {
        endpoint_end(&e[i]);
    }
}

int
main(void)
{
    clock_ms = 1700000000000;
    while (fgets(line, sizeof(line), stdin))
    {
        int64_t i;
        line[strcspn(line, "\n")] = 0;
        read_line();
        x_debug_level = (unsigned)given.verb;
        for (i = 0; i < given.runs; i++)
        {
            seed = (uint64_t)(given.seed + i);
            run();
        }
        printf("done\n");
        fflush(stdout);
    }
    return 0;
}

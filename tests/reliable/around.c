/*
 * What upstream's files need around them, and the clock: neither includes a header of upstream, because the
 * declarations differ between the series and the calls do not. Linked with --wrap=time, --wrap=gettimeofday and
 * --wrap=clock_gettime, so that every way to ask for the time gets the driver's.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "around.h"

int64_t clock_ms;
unsigned int x_debug_level;
int formatted; /* log lines that were asked for, to see that a high verb did something */

time_t
__wrap_time(time_t *out)
{
    time_t seconds = (time_t)(clock_ms / 1000);
    if (out)
    {
        *out = seconds;
    }
    return seconds;
}

int
__wrap_gettimeofday(struct timeval *tv, void *zone)
{
    (void)zone;
    tv->tv_sec = (time_t)(clock_ms / 1000);
    tv->tv_usec = (suseconds_t)(clock_ms % 1000 * 1000);
    return 0;
}

/* A monotonic clock has another zero than the calendar. */
int
__wrap_clock_gettime(clockid_t which, struct timespec *ts)
{
    int64_t ms = which == CLOCK_REALTIME ? clock_ms : clock_ms - 1600000000000;
    ts->tv_sec = (time_t)(ms / 1000);
    ts->tv_nsec = (long)(ms % 1000 * 1000000);
    return 0;
}

void
assert_failed(const char *file, int line)
{
    violated("ASSERT at %s:%d", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line);
}

void
out_of_memory(void)
{
    violated("out of memory");
}

bool
dont_mute(unsigned int flags)
{
    (void)flags;
    return true;
}

/* Formatted and thrown away: what the sanitizers want to see. */
void
x_msg(const unsigned int flags, const char *format, ...)
{
    char line[512];
    va_list arguments;
    (void)flags;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    formatted++;
}

/* session_id.c wants OpenSSL; of it, reliable.c uses the zero and, in log lines, the print. */
const struct { uint8_t id[8]; } x_session_id_zero;

const char *
session_id_print(const void *sid, void *arena)
{
    (void)sid;
    (void)arena;
    return "sid";
}

/* Parts of buffer.c that read and write files: nothing here calls them. */
void platform_open(void) { abort(); }
void platform_fopen(void) { abort(); }
void platform_stat(void) { abort(); }

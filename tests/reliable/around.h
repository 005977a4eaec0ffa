#ifndef AROUND_H
#define AROUND_H

#include <stdint.h>

/* Unix time in milliseconds, as everything in the process sees it. */
extern int64_t clock_ms;
extern int formatted;

/* Say what is wrong, the last events, and the line that repeats it; end the process. */
void violated(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif

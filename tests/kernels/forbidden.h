/* Memory that a kernel must not touch. */
#ifndef VIDEOHW_TESTS_FORBIDDEN_H
#define VIDEOHW_TESTS_FORBIDDEN_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

/* In a build with AddressSanitizer these bytes must not be touched, or may be again. */
extern "C" void forbid(const void *place, size_t bytes, int forbidden)
{
#if defined(__SANITIZE_ADDRESS__)
    if (forbidden)
        ASAN_POISON_MEMORY_REGION(place, bytes);
    else
        ASAN_UNPOISON_MEMORY_REGION(place, bytes);
#else
    (void)place, (void)bytes, (void)forbidden;
#endif
}

#endif

/* Shared libraries opened at run time, on POSIX and on Windows. */
#ifndef VIDEOHW_DYNLIB_H
#define VIDEOHW_DYNLIB_H

#include <stdio.h>

#ifdef _WIN32
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

static inline void *dynlib_open(const char *name, char *why, size_t why_bytes)
{
    /* A bare name only where the system keeps its own: the working directory is not trusted. */
    int has_path = 0;
    HMODULE handle;
    for (const char *c = name; *c; ++c)
        has_path |= *c == '\\' || *c == '/';
    handle = LoadLibraryExA(name, NULL, has_path ? 0 : LOAD_LIBRARY_SEARCH_SYSTEM32);
    if (!handle)
        snprintf(why, why_bytes, "%s: error %lu", name, GetLastError());
    return (void *)handle;
}

static inline void *dynlib_symbol(void *handle, const char *name)
{
    return (void *)GetProcAddress((HMODULE)handle, name);
}

static inline void dynlib_close(void *handle)
{
    FreeLibrary((HMODULE)handle);
}

#else
#include <dlfcn.h>

static inline void *dynlib_open(const char *name, char *why, size_t why_bytes)
{
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *reason = dlerror();
        snprintf(why, why_bytes, "%s", reason ? reason : name);
    }
    return handle;
}

static inline void *dynlib_symbol(void *handle, const char *name)
{
    return dlsym(handle, name);
}

static inline void dynlib_close(void *handle)
{
    dlclose(handle);
}
#endif
#endif

// The heap for applications in C. Memory that runs out is NULL or ENOMEM here; in Swift it ends the
// program.
#pragma once
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// All blocks are aligned to 16 bytes. Any CPU; not in interrupt handlers.
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *block, size_t size);
void free(void *block);

// `alignment` is a power of two; `size` need not be a multiple of it.
void *aligned_alloc(size_t alignment, size_t size);

// 0, EINVAL (22) or ENOMEM (12). The name of the same function that Swift's run-time calls is its
// own: it cannot go on without memory.
int posix_memalign(void **block, size_t alignment, size_t size) __asm__("apus_posix_memalign");

// How many bytes a block has, all of which may be used: at least what was asked for.
size_t malloc_usable_size(void *block);

#ifdef __cplusplus
}
#endif

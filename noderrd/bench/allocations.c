// Counts what a process asks glibc's allocator for: preloaded (LD_PRELOAD), and asked by allocations().
#include <stddef.h>

void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
static unsigned long asked;

unsigned long allocations(void) { return __atomic_load_n(&asked, __ATOMIC_RELAXED); }

static void one(void) { __atomic_add_fetch(&asked, 1, __ATOMIC_RELAXED); }

void *malloc(size_t size) { return one(), __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return one(), __libc_calloc(n, size); }
void *realloc(void *old, size_t size) { return one(), __libc_realloc(old, size); }
void *memalign(size_t line, size_t size) { return one(), __libc_memalign(line, size); }
void *aligned_alloc(size_t line, size_t size) { return one(), __libc_memalign(line, size); }

int posix_memalign(void **to, size_t line, size_t size) {
    one();
    *to = __libc_memalign(line, size);
    return *to ? 0 : 12; // ENOMEM
}

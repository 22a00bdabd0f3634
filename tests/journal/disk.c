/* What a disk does wrong, for a process that is started with LD_PRELOAD: pwrite and fdatasync fail with errno or take a time, as a file says.
 * $DISK names it: "EIO", "EROFS" or "ENOSPC" as a number, or "-N" for N milliseconds of slowness; empty or not there: all is well. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static int said(void)
{
    const char *path = getenv("DISK");
    FILE *file = path ? fopen(path, "r") : NULL;
    int code = 0;
    if (!file)
        return 0;
    if (fscanf(file, "%d", &code) != 1)
        code = 0;
    fclose(file);
    if (code < 0) {
        struct timespec wait = {-code / 1000, (-code % 1000) * 1000000L};
        nanosleep(&wait, NULL);
        return 0;
    }
    return code;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
    int code = said();
    if (code) {
        errno = code;
        return -1;
    }
    return real(fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return pwrite64(fd, data, size, offset);
}

int fdatasync(int fd)
{
    int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
    int code = said();
    if (code) {
        errno = code;
        return -1;
    }
    return real(fd);
}

// The protocols as the bench speaks them: MoldUDP64 and ITCH 5.0 towards the feed, SoupBinTCP and OUCH 5.0 towards the order session.
// Numbers are big-endian; sections are those of the published specifications.
#ifndef WIRE_H
#define WIRE_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { MOLD_HEADER = 20, RECEIVE_BUFFER = 8 << 20, DATAGRAM_MAX = 9216, BATCH = 32 };

// A tick is one Order Replace message that moves the best bid; its shares say which tick it is, and the order it causes repeats them.
enum { TICK_MESSAGE = 35, TICK_SHARES = 27, TICK_DATAGRAM = MOLD_HEADER + 2 + TICK_MESSAGE };
// An order on the wire: SoupBinTCP length and type, then Enter Order with an empty appendage.
enum { ORDER_BODY = 47, ORDER_PACKET = 3 + ORDER_BODY, ORDER_REF = 3 + 1, ORDER_SHARES = 3 + 6 };

static inline void put(uint8_t *at, uint64_t value, int bytes) {
    for (int k = bytes - 1; k >= 0; k--, value >>= 8)
        at[k] = (uint8_t)value;
}

static inline uint64_t get(const uint8_t *at, int bytes) {
    uint64_t value = 0;
    for (int k = 0; k < bytes; k++)
        value = value << 8 | at[k];
    return value;
}

static inline int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void check(int ok, const char *what) {
    if (ok)
        return;
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static inline void pin(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    check(sched_setaffinity(0, sizeof set, &set) == 0, "pin to a core");
}

static inline struct sockaddr_in loopback(int port) {
    struct sockaddr_in it = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return it;
}

// A socket bound to a port of the loopback address; port 0 takes a free one.
static inline int bound(int type, int port) {
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1, buffer = RECEIVE_BUFFER;
    struct sockaddr_in it = loopback(port);
    check(fd >= 0, "socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (type == SOCK_DGRAM && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    check(bind(fd, (struct sockaddr *)&it, sizeof it) == 0, "bind");
    return fd;
}

static inline int port_of(int fd) {
    struct sockaddr_in it;
    socklen_t size = sizeof it;
    check(getsockname(fd, (struct sockaddr *)&it, &size) == 0, "getsockname");
    return ntohs(it.sin_port);
}

static inline void at_once(int fd) {
    int one = 1;
    check(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0, "TCP_NODELAY");
    check(fcntl(fd, F_SETFL, O_NONBLOCK) == 0, "O_NONBLOCK");
}

#endif

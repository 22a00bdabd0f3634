// The floor under the network benchmark: an echo that does nothing but its system calls, and speaks as much of `noderrd echo` as its client needs.
//
// echo CORE PORT     one client at a time; UDP and TCP; ends when its standard input does
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void need(int good, const char *what) {
    if (!good) {
        perror(what);
        exit(1);
    }
}

static int over(int control) {
    char any;
    ssize_t n = recv(control, &any, 1, MSG_DONTWAIT);
    return n == 0 || n == 1;
}

static void datagrams(int line, int control) {
    static int64_t data[8192];
    for (unsigned turn = 1;; turn++) {
        ssize_t n = recv(line, data, sizeof data, MSG_DONTWAIT);
        if (n > 0) {
            data[3] = now();
            data[4] = now();
            send(line, data, n, MSG_DONTWAIT);
        } else if (turn % 4096 == 0 && over(control))
            return;
    }
}

static void stream(int line, ssize_t size) {
    static int64_t data[8192];
    ssize_t have = 0;
    for (;;) {
        ssize_t n = recv(line, (char *)data + have, size - have, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return;
        if (n < 0 || (have += n) < size)
            continue;
        data[3] = now();
        data[4] = now();
        for (ssize_t gone = 0; gone < size;) {
            ssize_t m = send(line, (char *)data + gone, size - gone, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (m < 0 && errno != EAGAIN)
                return;
            gone += m > 0 ? m : 0;
        }
        have = 0;
    }
}

static long number(const char *text, const char *name) {
    const char *at = strstr(text, name);
    return at ? strtol(at + strlen(name), NULL, 10) : 0;
}

static void serve(int control, struct sockaddr_in peer) {
    char asked[4096] = "";
    for (size_t n = 0; n + 1 < sizeof asked && !strchr(asked, '\n'); n++)
        if (recv(control, asked + n, 1, 0) != 1)
            return;
    int one = 1;
    setsockopt(control, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (strstr(asked, "\"tcp\"")) {
        dprintf(control, "{\"ok\": true, \"port\": 1}\n");
        stream(control, number(asked, "\"size\": "));
        return;
    }
    int line = socket(AF_INET, SOCK_DGRAM, 0), large = 8 << 20;
    struct sockaddr_in mine = {.sin_family = AF_INET};
    socklen_t length = sizeof mine;
    setsockopt(line, SOL_SOCKET, SO_RCVBUF, &large, sizeof large);
    peer.sin_port = htons(number(asked, "\"port\": "));
    need(bind(line, (struct sockaddr *)&mine, length) == 0 && getsockname(line, (struct sockaddr *)&mine, &length) == 0, "bind");
    need(connect(line, (struct sockaddr *)&peer, sizeof peer) == 0, "connect");
    dprintf(control, "{\"ok\": true, \"port\": %d}\n", ntohs(mine.sin_port));
    datagrams(line, control);
    close(line);
}

int main(int argc, char **argv) {
    if (argc != 3)
        return fprintf(stderr, "usage: echo CORE PORT\n"), 64;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(atoi(argv[1]), &set);
    sched_setaffinity(0, sizeof set, &set);
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in mine = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    need(bind(listener, (struct sockaddr *)&mine, sizeof mine) == 0 && listen(listener, 4) == 0, "listen");
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        struct sockaddr_in peer;
        socklen_t length = sizeof peer;
        int control = accept(listener, (struct sockaddr *)&peer, &length);
        if (control < 0)
            return 0;
        serve(control, peer);
        close(control);
    }
}

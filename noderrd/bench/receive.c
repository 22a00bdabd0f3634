// Both ends of the receive benchmark that are not the product's: a sender of stamped datagrams, and the floor, a bare recv loop.
//
// receive send CORE INTERFACE MAC ADDRESS      lines "PORT COUNT GAP_NS" on stdin; answers "sent" to each
// receive floor CORE ADDRESS PORT FILE         lines "COUNT" on stdin; answers the number taken, latencies (int64 ns) appended to FILE
//
// The sender writes whole frames to a packet socket, so that they come out of the other end of a veth pair as from a wire.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PAYLOAD = 64, HEADERS = 42, WAIT_NS = 300000000 };

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

// Bind to a core, ahead of everything else where that is allowed: what else runs on the machine is not the question here.
static void pin(int core) {
    cpu_set_t set;
    struct sched_param first = {.sched_priority = 50};
    sched_setscheduler(0, SCHED_FIFO, &first);
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    need(sched_setaffinity(0, sizeof set, &set) == 0, "sched_setaffinity");
}

static void put16(uint8_t *at, int value) {
    at[0] = value >> 8;
    at[1] = value & 255;
}

static void lay(uint8_t *frame, const char *mac, const char *address) {
    unsigned m[6];
    need(sscanf(mac, "%x:%x:%x:%x:%x:%x", m, m + 1, m + 2, m + 3, m + 4, m + 5) == 6, "MAC");
    for (int k = 0; k < 6; k++) {
        frame[k] = m[k];
        frame[6 + k] = 2;
    }
    put16(frame + 12, 0x0800);
    uint8_t *ip = frame + 14;
    ip[0] = 0x45;
    put16(ip + 2, 28 + PAYLOAD);
    ip[8] = 8;
    ip[9] = 17;
    inet_pton(AF_INET, "10.77.0.2", ip + 12);
    inet_pton(AF_INET, address, ip + 16);
    uint32_t sum = 0;
    for (int k = 0; k < 20; k += 2)
        sum += ip[k] << 8 | ip[k + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    put16(ip + 10, ~(sum + (sum >> 16)) & 0xffff);
    put16(frame + 34, 999);
    put16(frame + 38, 8 + PAYLOAD);
}

static void send_all(int line, uint8_t *frame) {
    int port, count;
    long gap;
    while (scanf("%d %d %ld", &port, &count, &gap) == 3) {
        put16(frame + 36, port);
        int64_t due = now() + 1000000;
        for (int64_t k = 0; k < count; k++, due += gap) {
            int64_t stamp;
            while ((stamp = now()) < due)
                ;
            memcpy(frame + HEADERS, &stamp, 8);
            memcpy(frame + HEADERS + 8, &k, 8);
            need(send(line, frame, HEADERS + PAYLOAD, 0) == HEADERS + PAYLOAD, "send");
        }
        printf("sent\n");
        fflush(stdout);
    }
}

static void take(int line, const char *file) {
    int count;
    FILE *out = fopen(file, "ab");
    need(out != NULL, file);
    printf("ready\n");
    fflush(stdout);
    while (scanf("%d", &count) == 1) {
        int taken = 0;
        int64_t last = now() + 2000000000LL, stamp;
        uint8_t data[2048];
        while (taken < count) {
            ssize_t n = recv(line, data, sizeof data, MSG_DONTWAIT);
            int64_t at = now();
            if (n >= 16) {
                memcpy(&stamp, data, 8);
                stamp = at - stamp;
                fwrite(&stamp, 8, 1, out);
                taken++;
                last = at + WAIT_NS;
            } else if (at > last)
                break;
        }
        fflush(out);
        printf("%d\n", taken);
        fflush(stdout);
    }
}

int main(int argc, char **argv) {
    if (argc != 6)
        return fprintf(stderr, "usage: receive send CORE INTERFACE MAC ADDRESS | receive floor CORE ADDRESS PORT FILE\n"), 64;
    pin(atoi(argv[2]));
    if (strcmp(argv[1], "send") == 0) {
        static uint8_t frame[HEADERS + PAYLOAD];
        lay(frame, argv[4], argv[5]);
        int line = socket(AF_PACKET, SOCK_RAW, 0);
        struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_protocol = 0, .sll_ifindex = if_nametoindex(argv[3])};
        need(line >= 0 && bind(line, (struct sockaddr *)&where, sizeof where) == 0, "packet socket");
        send_all(line, frame);
    } else {
        int line = socket(AF_INET, SOCK_DGRAM, 0);
        struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[4]))};
        inet_pton(AF_INET, argv[3], &where.sin_addr);
        need(line >= 0 && bind(line, (struct sockaddr *)&where, sizeof where) == 0, "bind");
        take(line, argv[5]);
    }
    return 0;
}

// The floor under tick-to-trade: what remains when a node does nothing but its system calls.
//
// It spins over the same sockets with the same calls as the lane does for one venue (recv on the order session, then recvmmsg on line A and on line B, with
// the stamps that the kernel gives beside a datagram), takes the same datagrams and answers a tick with a send of the same size. It decodes nothing but
// which tick it was, keeps no book, asks nobody, checks nothing.
//
// floor CORE LINE_A LINE_B ORDER_PORT
#define _GNU_SOURCE
#include "wire.h"
#include <linux/net_tstamp.h>

static uint8_t data[BATCH][DATAGRAM_MAX], answers[1 << 16], order[ORDER_PACKET];
static uint8_t told[BATCH][128]; // what the kernel tells beside a datagram, as much as the lane has room for
static struct mmsghdr headers[BATCH];
static struct iovec places[BATCH];

static void take(int line, int session) {
    int n = recvmmsg(line, headers, BATCH, MSG_DONTWAIT, NULL);
    for (int k = 0; k < n; k++) {
        headers[k].msg_hdr.msg_controllen = sizeof told[k];
        const uint8_t *message = data[k] + headers[k].msg_len - TICK_MESSAGE; // the last message of its datagram
        if (headers[k].msg_len < TICK_DATAGRAM || message[0] != 'U')
            continue;
        put(order + ORDER_REF, get(order + ORDER_REF, 4) + 1, 4);
        memcpy(order + ORDER_SHARES, message + TICK_SHARES, 4);
        check(send(session, order, sizeof order, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof order, "send");
    }
}

// As noderrd/lane/stamp.py asks for them.
static void stamped(int line) {
    int stamps = SOF_TIMESTAMPING_RX_HARDWARE | SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RAW_HARDWARE, on = 1;
    check(setsockopt(line, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof stamps) == 0, "SO_TIMESTAMPING");
    check(setsockopt(line, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on) == 0, "SO_RXQ_OVFL");
}

int main(int argc, char **argv) {
    if (argc != 5)
        return fprintf(stderr, "usage: floor CORE LINE_A LINE_B ORDER_PORT\n"), 64;
    pin(atoi(argv[1]));
    int a = bound(SOCK_DGRAM, atoi(argv[2])), b = bound(SOCK_DGRAM, atoi(argv[3])), session = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in exchange = loopback(atoi(argv[4]));
    check(connect(session, (struct sockaddr *)&exchange, sizeof exchange) == 0, "connect");
    at_once(session);
    stamped(a);
    stamped(b);
    for (int k = 0; k < BATCH; k++) {
        places[k] = (struct iovec){data[k], DATAGRAM_MAX};
        headers[k].msg_hdr = (struct msghdr){.msg_iov = &places[k], .msg_iovlen = 1, .msg_control = told[k], .msg_controllen = sizeof told[k]};
    }
    memset(order, ' ', sizeof order);
    put(order, sizeof order - 2, 2);
    put(order + 2, 'U', 1);
    put(order + 3, 'O', 1);
    put(order + ORDER_REF, 0, 4);
    for (;;) {
        ssize_t got = recv(session, answers, sizeof answers, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return 0; // the client is done
        take(a, session);
        take(b, session);
    }
}
